"""NATS for tests: each worker has an account of its own; each test finds it empty."""

import nats as nats_py


async def empty(url: str) -> None:
    """Delete every stream of the account."""
    client = await nats_py.connect(url)
    try:
        jetstream = client.jetstream()
        for stream in await jetstream.streams_info():
            await jetstream.delete_stream(stream.config.name or "")
    finally:
        await client.close()
