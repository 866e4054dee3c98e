"""celery on Redis: sent one by one, acknowledged when done, worked on by two processes."""

import os

import redis
from celery import Celery

WORKERS = 1
COMMAND = ["celery", "-A", "benchmarks.peers.celery_jobs", "worker", "-c", "2", "--loglevel", "ERROR"]


def _app(url: str) -> Celery:
    made = Celery("benchmarks", broker=url)
    made.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=64)
    made.task(name="deliver")(_deliver)
    return made


def _deliver(number: int) -> None:
    """Do nothing."""


def prepare(url: str) -> None:
    """There is nothing to make."""


def enqueue(url: str, jobs: int) -> None:
    """Put jobs into the queue."""
    app = _app(url)
    deliver = app.tasks["deliver"]
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(jobs):
            deliver.apply_async((number,), producer=producer)


def left(url: str) -> int:
    """Return how many jobs are not acknowledged."""
    with redis.Redis.from_url(url) as client:
        return int(client.llen("celery")) + int(client.hlen("unacked"))


if "PEER_URL" in os.environ:
    app = _app(os.environ["PEER_URL"])
