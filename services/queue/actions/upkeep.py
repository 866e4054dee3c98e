"""What time does to deliveries: they expire, receipts that never came are asked for, progress is told."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import Unavailable
from services.kit.logs import get_logger
from services.queue import events_out, metrics
from services.queue.actions.dispatch import Dispatcher
from services.queue.actions.receipts import record_receipts
from services.queue.domain import Channel, Deltas, Lane, State
from services.queue.providers.base import Provider
from services.queue.records import Outcome, Receipt
from services.queue.store import awaited, batches, copying, counts, messages, outcomes, received

_BATCHES_AT_ONCE = 50
_OUTCOMES_AT_ONCE = 5_000
_ASKED_AT_ONCE = 100
_ENTRIES_AT_ONCE, _MOST_LOOKS = 50, 40
_BROKEN_COUNTED = 100
_COMPARED_DAYS = timedelta(days=2)
_log = get_logger(__name__)


async def expire(engine: AsyncEngine, clock: Clock) -> int:
    """End what waited or was never confirmed past its time; return how many deliveries."""
    now = clock()
    deltas, ended = Deltas(), 0
    async with transaction(engine) as connection:
        gone = await batches.remove_expired(connection, now, _BATCHES_AT_ONCE)
        rows = [
            (entry_id, created_at, school_id, now, [Outcome(number, State.EXPIRED) for number in numbers])
            for entry_id, created_at, school_id, _, numbers in gone
        ]
        if rows:
            await copying.copy_outcomes(connection, rows)
        for entry_id, _, school_id, before, numbers in gone:
            deltas.move(entry_id, school_id, before, State.EXPIRED, len(numbers))
        unconfirmed = await awaited.expire(connection, now, _OUTCOMES_AT_ONCE)
        for entry_id, school_id in unconfirmed:
            deltas.move(entry_id, school_id, State.HANDED_OFF, State.EXPIRED)
        await counts.apply(connection, deltas, now)
        ended = sum(len(numbers) for *_, numbers in gone) + len(unconfirmed)
    if ended:
        metrics.expired.add(ended)
    return ended


async def ask_providers(dispatcher: Dispatcher, after_seconds: float) -> int:
    """Ask about deliveries that a provider took and never spoke of again; return how many it told about.

    A provider that does not answer costs only its own, which are asked about again. Unavailable when nothing is told.
    """
    now, after = dispatcher.clock(), timedelta(seconds=after_seconds)
    asked_of = {channel: each for channel, each in dispatcher.providers.items() if each.tells}
    silent = await _silent_ones(dispatcher.engine, asked_of, now, after)
    receipts: list[Receipt] = []
    problem: Unavailable | None = None
    for name, provider in {each.name: each for each in asked_of.values()}.items():
        try:
            receipts += await _told_by(provider, [row for row in silent if row[3] == name], now)
        except Unavailable as its_own:
            _log.warning("provider_not_asked", provider=name)
            problem = its_own
    if receipts:
        redial_seconds = dispatcher.pace.redial_seconds
        await record_receipts(dispatcher.engine, dispatcher.clock, receipts, redial_seconds)
    elif problem:
        raise problem
    return len(receipts)


async def _told_by(provider: Provider, silent: Sequence[awaited.Silent], now: datetime) -> list[Receipt]:
    """Return what a provider tells of these deliveries now. Raises Unavailable."""
    asked = {row[4]: row for row in silent}
    told = await provider.ask(list(asked)) if asked else {}
    receipts = []
    for identity, (status, code) in told.items():
        entry_id, number, attempt, name, _ = asked[identity]
        receipts.append(Receipt(name, identity, f"{entry_id}.{number}.{attempt}", status, code, now))
    return receipts


async def _silent_ones(
    engine: AsyncEngine, asked_of: Mapping[Channel, Provider], now: datetime, after: timedelta
) -> list[awaited.Silent]:
    """Take what is to be asked about now, from as many entries as that takes: most have nothing to ask about."""
    names = list({each.name for each in asked_of.values()})
    silent: list[awaited.Silent] = []
    for _ in range(_MOST_LOOKS):
        room = _ASKED_AT_ONCE - len(silent)
        async with transaction(engine) as connection:
            entries = await awaited.to_look_at(connection, now, _ENTRIES_AT_ONCE)
            within = [each for each in entries if each.channel in asked_of]
            found = await awaited.silent(connection, within, names, before=now - after, now=now, limit=room)
            if len(found) < room:
                await awaited.look_again(connection, entries, names, list(asked_of), now=now, later=now + after)
        silent += found
        if len(found) == room or len(entries) < _ENTRIES_AT_ONCE:
            break
    return silent


async def tell_progress(engine: AsyncEngine, clock: Clock, pause: timedelta) -> int:
    """Tell of entries whose counts changed, each at most once in a pause; return how many."""
    now = clock()
    async with transaction(engine) as connection:
        due = await counts.take_due(connection, now, pause)
        if due:
            present = await counts.read(connection, [entry_id for entry_id, _, _ in due])
            await events_out.tell_progress(connection, due, present)
    return len(due)


async def measure(engine: AsyncEngine, clock: Clock) -> None:
    """Set the gauges of the lanes, and of receipts that fit no delivery."""
    async with transaction(engine) as connection:
        ages = await batches.ages(connection, clock())
        metrics.unmatched.set(await outcomes.count_unmatched(connection))
    for lane in Lane:
        due, age = ages.get(lane, (0, 0.0))
        metrics.lane_due.set(due, {"lane": lane.name.lower()})
        metrics.lane_age.set(max(0.0, age), {"lane": lane.name.lower()})


async def prepare_months(engine: AsyncEngine, clock: Clock) -> None:
    """Make the partitions of this month and the next, so that no submission waits for it."""
    now = clock()
    async with transaction(engine) as connection:
        await messages.ensure_months(connection, [now, now.replace(day=1) + timedelta(days=40)])


async def sum_up_received(engine: AsyncEngine) -> int:
    """Keep short what each look-up of a family reads row by row; return for how many ranges a filter was made."""
    async with transaction(engine) as connection:
        return await received.sum_up(connection)


async def check_counters(engine: AsyncEngine, clock: Clock) -> None:
    """Compare the counters that changed in the last days with their rows, and set the gauge of the entries that differ.

    Last week's messages are among them: what is sent again today, and what bounces after days.
    """
    async with transaction(engine) as connection:
        _, broken = await counts.broken(connection, _BROKEN_COUNTED, changed_since=clock() - _COMPARED_DAYS)
    metrics.broken.set(len(broken))
    if broken:
        _log.error("counters_broken", entries=[entry_id for entry_id, _, _ in broken])
