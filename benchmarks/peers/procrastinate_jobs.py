"""procrastinate on PostgreSQL: deferred in one batch, worked on by two processes with 20 jobs at a time."""

import asyncio
import os

import procrastinate
import psycopg

WORKERS = 2
COMMAND = ["benchmarks.peers.procrastinate_jobs"]


def _app(url: str) -> tuple[procrastinate.App, procrastinate.tasks.Task]:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))

    @app.task(name="deliver")
    async def deliver(number: int) -> None:
        """Do nothing."""

    return app, deliver


def prepare(url: str) -> None:
    """Make its tables."""
    app, _ = _app(url)
    asyncio.run(_open(app, app.schema_manager.apply_schema_async))


def enqueue(url: str, jobs: int) -> None:
    """Put jobs into the queue."""
    app, deliver = _app(url)
    every = [{"number": number} for number in range(jobs)]
    asyncio.run(_open(app, lambda: deliver.batch_defer_async(*every)))


def left(url: str) -> int:
    """Return how many jobs are not done."""
    query = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


async def _open(app: procrastinate.App, work) -> None:
    async with app.open_async():
        await work()


if __name__ == "__main__":
    the_app, _ = _app(os.environ["PEER_URL"])
    asyncio.run(_open(the_app, lambda: the_app.run_worker_async(concurrency=20, wait=True)))
