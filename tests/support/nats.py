"""NATS for tests: each worker has an account of its own; each test finds it empty."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import nats as nats_py


def empty_sync(url: str) -> None:
    """Delete every stream of the account; from a thread of its own, since the caller's may have a loop already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(empty(url))).result()


async def empty(url: str) -> None:
    """Delete every stream of the account."""
    client = await nats_py.connect(url)
    try:
        jetstream = client.jetstream()
        for stream in await jetstream.streams_info():
            await jetstream.delete_stream(stream.config.name or "")
    finally:
        await client.close()
