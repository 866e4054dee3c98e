"""Streams on a cluster of three: their copies grow, and whoever asks for fewer takes none away."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.nats import Account, Nats
from deploy.local.ports import free_port
from services.kit.bus import Bus

ACCOUNT = Account("lantern", "secret")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of one of three servers that keep streams together."""
    routes = [free_port() for _ in range(3)]
    servers = []
    for number, route in enumerate(routes):
        folder = tmp_path / str(number)
        server = Nats(folder, free_port(), tmp_path / f"{number}.log")
        server.configure({"test": ACCOUNT}, is_durable=False)
        path = folder / "server.conf"
        others = [f"nats://127.0.0.1:{port}" for port in routes if port != route]
        joined = {"name": "test", "listen": f"127.0.0.1:{route}", "routes": others}
        path.write_text(json.dumps({**json.loads(path.read_text()), "server_name": f"n{number}", "cluster": joined}))
        servers.append(server)
    try:
        for server in servers:
            server.start()
        yield f"nats://{ACCOUNT.user}:{ACCOUNT.password}@127.0.0.1:{servers[0].port}"
    finally:
        for server in servers:
            server.stop()


@asynccontextmanager
async def declared(url: str, replicas: int) -> AsyncIterator[Bus]:
    """A bus that has declared the queue's stream."""
    bus = Bus(url, name="test", replicas=replicas)
    try:
        await bus.open("queue")
        yield bus
    finally:
        await bus.close()


async def copies(bus: Bus) -> int | None:
    return (await bus.jetstream.stream_info("QUEUE")).config.num_replicas


async def test_a_process_that_asks_for_fewer_copies_leaves_them(cluster: str) -> None:
    async with declared(cluster, 1) as first:
        assert await copies(first) == 1
    async with declared(cluster, 3) as more:
        assert await copies(more) == 3
    async with declared(cluster, 1) as fewer:
        assert await copies(fewer) == 3
        await fewer.ensure_stream("queue")
        assert await copies(fewer) == 3
