"""dramatiq on Redis: sent one by one, as its interface has it, worked on by two processes with eight threads each."""

import os

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

WORKERS = 1
COMMAND = ["dramatiq", "benchmarks.peers.dramatiq_jobs", "--processes", "2", "--threads", "8"]


def _actor(url: str) -> "dramatiq.Actor":
    broker = RedisBroker(url=url)
    dramatiq.set_broker(broker)

    @dramatiq.actor(broker=broker, actor_name="deliver")
    def deliver(number: int) -> None:
        """Do nothing."""

    return deliver


def prepare(url: str) -> None:
    """There is nothing to make."""


def enqueue(url: str, jobs: int) -> None:
    """Put jobs into the queue."""
    deliver = _actor(url)
    for number in range(jobs):
        deliver.send(number)


def left(url: str) -> int:
    """Return how many jobs are not acknowledged."""
    with redis.Redis.from_url(url) as client:
        return int(client.hlen("dramatiq:default.msgs"))


if "PEER_URL" in os.environ:
    _actor(os.environ["PEER_URL"])
