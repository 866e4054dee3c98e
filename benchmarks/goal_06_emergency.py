"""Goal 6: an emergency call to 10,000 while 200,000 ordinary deliveries are being drained, beside an idle queue."""

import time
from dataclasses import dataclass
from typing import Any

from benchmarks import messages
from benchmarks.drain import RECIPIENTS, wait_until_empty
from benchmarks.measure import REPETITIONS, Pairs, rate, wait_until
from benchmarks.system import System, running

_EMERGENCY = 10_000
_CLOCK_TICK_SECONDS = 0.001


@dataclass(frozen=True)
class _Call:
    first_seconds: float
    """From the answer of Submit to the first delivery with an outcome."""
    seconds: float
    """To the last."""
    is_exact: bool


def run() -> list[dict[str, Any]]:
    """Return the ratio of the first hand-off and that of the drain."""
    bulk, urgent = messages.pieces(messages.recipients(RECIPIENTS)), messages.pieces(messages.recipients(_EMERGENCY))
    first, drained = Pairs(), Pairs()
    with running() as system:
        system.start_drill()
        _call(system, urgent)
        for _ in range(REPETITIONS):
            idle = _call(system, urgent)
            entries = _queue(system, bulk)
            busy = _call(system, urgent)
            was_busy = _is_waiting(system)
            for each in entries:
                wait_until_empty(system, each)
            is_exact = idle.is_exact and busy.is_exact and was_busy
            first.add(2 * idle.first_seconds, busy.first_seconds, is_exact=is_exact)
            drained.add(rate(_EMERGENCY, busy.seconds), rate(_EMERGENCY, idle.seconds), is_exact=is_exact)
    return [
        first.result(6, "emergency under 200k bulk: first hand-off, limit twice idle", 1.0, 0.5),
        drained.result(6, "emergency under 200k bulk: drain against idle", 0.9, 0.7),
    ]


def _queue(system: System, bulk: list[bytes]) -> list[str]:
    """Queue two bulk messages for later, then let both be due at once."""
    with system.channel() as channel:
        entries = [
            messages.submit(channel, system.authorization, bulk, messages.Kind.LATER).entries[0].entry_id for _ in "ab"
        ]
    with system.connect() as connection:
        connection.execute("UPDATE batches SET due_at = now() WHERE entry_id = ANY(%s::uuid[])", (entries,))
        wait_until("bulk messages leave", lambda: _are_leaving(connection, entries))
    return entries


def _are_leaving(connection: Any, entries: list[str]) -> bool:
    query = "SELECT count(*) FROM batches WHERE entry_id = ANY(%s::uuid[]) AND state = 'claimed'"
    return bool(connection.execute(query, (entries,)).fetchone()[0])


def _is_waiting(system: System) -> bool:
    with system.connect() as connection:
        return connection.execute("SELECT EXISTS (SELECT 1 FROM batches WHERE lane = 4)").fetchone() == (True,)


def _call(system: System, pieces: list[bytes]) -> _Call:
    with system.channel() as channel:
        answer = messages.submit(channel, system.authorization, pieces, messages.Kind.EMERGENCY)
    answered = time.time()
    entry_id = answer.entries[0].entry_id
    wait_until_empty(system, entry_id)
    with system.connect() as connection:
        query = (
            "SELECT extract(epoch FROM min(changed_at)), extract(epoch FROM max(changed_at)), count(*) FROM outcomes"
            " WHERE entry_id = %s AND state <> 'duplicate'"
        )
        start, end, count = connection.execute(query, (entry_id,)).fetchone() or (0, 0, 0)
    wanted = _EMERGENCY - _EMERGENCY // messages.DUPLICATES
    first = max(float(str(start)) - answered, _CLOCK_TICK_SECONDS)
    return _Call(first, max(float(str(end)) - answered, first), is_exact=count == wanted)
