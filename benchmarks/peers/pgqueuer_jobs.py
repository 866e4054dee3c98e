"""pgqueuer on PostgreSQL: enqueued in lots of 1,000, worked on by two processes in lots of 500."""

import asyncio
import os

import psycopg
from pgqueuer import PsycopgDriver, Queries, QueueManager

WORKERS = 2
COMMAND = ["benchmarks.peers.pgqueuer_jobs"]
_LOT = 1_000


def prepare(url: str) -> None:
    """Make its tables."""
    asyncio.run(_with_queries(url, lambda queries: queries.install()))


def enqueue(url: str, jobs: int) -> None:
    """Put jobs into the queue."""

    async def every(queries: Queries) -> None:
        for start in range(0, jobs, _LOT):
            lot = min(_LOT, jobs - start)
            await queries.enqueue(["deliver"] * lot, [b"1"] * lot, [0] * lot)

    asyncio.run(_with_queries(url, every))


def clear(url: str) -> None:
    """Throw the jobs away."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE pgqueuer")


def left(url: str) -> int:
    """Return how many jobs are not done."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM pgqueuer").fetchone()
    return int(row[0]) if row else 0


async def _with_queries(url: str, work) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await work(Queries(PsycopgDriver(connection)))


async def _work(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        manager = QueueManager(Queries(PsycopgDriver(connection)))

        @manager.entrypoint("deliver")
        async def deliver(job: object) -> None:
            """Do nothing."""

        await manager.run(batch_size=500)


if __name__ == "__main__":
    asyncio.run(_work(os.environ["PEER_URL"]))
