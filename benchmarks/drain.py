"""Submitting a message to the running system and waiting until every recipient has an outcome."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import messages
from benchmarks.measure import wait_until
from benchmarks.system import System
from protos.queue.v1 import queue_pb2 as pb

RECIPIENTS = 100_000


@dataclass(frozen=True)
class Drained:
    """One message, from its first byte to its last outcome."""

    submit_seconds: float
    seconds: float
    """With submitting."""
    entry_id: str
    is_exact: bool


def drain(
    system: System, pieces: Sequence[bytes], recipients: int, began: Callable[[], None] = lambda: None
) -> Drained:
    """Submit and wait; exact when no outcome is missing, doubled or other than the drill gives."""
    with system.channel() as channel:
        started = time.perf_counter()
        answer = messages.submit(channel, system.authorization, pieces)
        submitted = time.perf_counter() - started
    began()
    entry_id = answer.entries[0].entry_id
    wait_until_empty(system, entry_id)
    return Drained(submitted, time.perf_counter() - started, entry_id, is_exact(system, entry_id, recipients))


def submitted_exactly(answer: pb.SubmitResponse, recipients: int) -> bool:
    """Tell whether every recipient and every duplicate was counted."""
    counts = answer.entries[0].counts
    duplicates = recipients // messages.DUPLICATES
    return (counts.total, counts.pending, counts.duplicate) == (recipients, recipients - duplicates, duplicates)


def wait_until_empty(system: System, entry_id: str) -> None:
    """Wait until no batch of the entry is left."""
    with system.connect() as connection:
        query = "SELECT NOT EXISTS (SELECT 1 FROM batches WHERE entry_id = %s)"
        wait_until("the queue drains", lambda: connection.execute(query, (entry_id,)).fetchone() == (True,))


def is_exact(system: System, entry_id: str, recipients: int) -> bool:
    """Compare the outcomes and the counters with what the drill must give."""
    everyone = range(1, recipients + 1)
    duplicates = {number for number in everyone if number % messages.DUPLICATES == 0}
    errors = {number for number in everyone if number % 100 == 0} - duplicates
    again = {number for number in everyone if number % 50 == 1} - duplicates
    taken = recipients - len(duplicates) - len(errors)
    wanted = {"duplicate": len(duplicates), "error": len(errors), "handed_off": taken}
    with system.connect() as connection:
        rows = connection.execute("SELECT state, count(*) FROM outcomes WHERE entry_id = %s GROUP BY 1", (entry_id,))
        found = {row[0]: row[1] for row in rows}
        tried_twice = connection.execute(
            "SELECT count(*) FROM outcomes WHERE entry_id = %s AND attempt = 2", (entry_id,)
        ).fetchone()
        counted = connection.execute(
            "SELECT sum(total), sum(pending), sum(error), sum(duplicate) FROM entry_counts WHERE entry_id = %s",
            (entry_id,),
        ).fetchone()
    sums = (recipients, taken, len(errors), len(duplicates))
    return found == wanted and tried_twice == (len(again),) and counted == sums
