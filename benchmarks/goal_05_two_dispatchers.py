"""Goal 5: two dispatcher processes beside one, when the provider's time is what counts."""

import time
from typing import Any

from benchmarks import messages
from benchmarks.drain import wait_until_empty
from benchmarks.measure import REPETITIONS, Pairs, rate
from benchmarks.provider import Provider
from benchmarks.system import System, running

_RECIPIENTS = 2_000
_ANSWER_SECONDS = 0.25


def run() -> list[dict[str, Any]]:
    """Return the ratio."""
    pieces, taken = messages.pieces(messages.recipients(_RECIPIENTS)), _RECIPIENTS - _RECIPIENTS // messages.DUPLICATES
    pairs = Pairs()
    with running() as system, Provider(_ANSWER_SECONDS) as provider:
        system.start("queue", "serve")
        system.start("queue", "dispatch", "queue.dispatch.0", **provider.settings())
        for _ in range(REPETITIONS):
            before = provider.count()
            one = _drained(system, pieces)
            system.start("queue", "dispatch", "queue.dispatch.1", **provider.settings())
            two = _drained(system, pieces)
            system.stop("queue.dispatch.1")
            pairs.add(rate(taken, two), rate(taken, one), is_exact=provider.count() - before == 2 * taken)
    return [pairs.result(5, "two dispatchers against one, provider-bound", 1.8, 1.6)]


def _drained(system: System, pieces: list[bytes]) -> float:
    with system.channel() as channel:
        entry_id = messages.submit(channel, system.authorization, pieces).entries[0].entry_id
    started = time.perf_counter()
    wait_until_empty(system, entry_id)
    return time.perf_counter() - started
