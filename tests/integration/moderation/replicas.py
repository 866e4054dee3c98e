"""Replicas of moderation as real processes."""

import signal
from pathlib import Path

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import free_port
from tests.support.eventually import eventually
from tests.support.forked import Forked, start


class Replicas:
    """Starts replicas, which know of each other through the database and NATS alone."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self._running: list[Forked] = []

    async def start(self, **settings: str) -> Forked:
        """Start one, with these settings besides, and wait until it serves."""
        address = f"127.0.0.1:{free_port()}"
        replica = self._spawn({"LISTEN": address, **settings})
        async with aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            async def serves() -> None:
                try:
                    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
                except aio.AioRpcError as problem:
                    raise AssertionError(problem.details()) from problem
                assert answer.status == health_pb2.HealthCheckResponse.SERVING

            await eventually(serves, 60)
        return replica

    def _spawn(self, settings: dict[str, str]) -> Forked:
        log = self._folder / f"replica-{len(self._running)}.log"
        replica = start("moderation", "serve", {**self._environment, **settings}, log)
        self._running.append(replica)
        return replica

    def end(self) -> None:
        """Stop what still runs."""
        for each in self._running:
            each.terminate()
        for each in self._running:
            assert each.wait(timeout=30) in {0, -signal.SIGKILL}
