"""Keeping schedules, and moving them on when they are due: each change and its event commit together."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import Aborted, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted
from services.queue import events_out, scheduling
from services.queue.actions.reuse import reused
from services.queue.keys import Key
from services.queue.scheduling import MAX_PER_SENDER, Occurrence, Schedule, ScheduleState
from services.queue.store import messages, recordings, schedules
from services.queue.store.schedules import Sight

_OCCURRENCES_SHOWN = 20


async def create(
    engine: AsyncEngine, clock: Clock, schedule: Schedule, key: Key, check: Callable[[], None]
) -> tuple[Schedule, bool]:
    """Keep a schedule; return it, and whether the key had been used for it before. `check` raises for a new one.

    AlreadyExists when the key was used for something else, InvalidArgument when every date is past, ResourceExhausted
    when the sender keeps too many.
    """
    now = clock()
    async with transaction(engine) as connection:
        earlier = await messages.remember_key(
            connection, schedule.caller, key.key, key.request_hash, schedule.schedule_id, now
        )
        if earlier is not None:
            return await _repeated(connection, key, earlier), True
        check()
        fresh = scheduling.started(schedule, now)
        if await schedules.count_open(connection, schedule.sender_id) >= MAX_PER_SENDER:
            raise ResourceExhausted("TOO_MANY_SCHEDULES", f"One person keeps at most {MAX_PER_SENDER} schedules.")
        await _hold_recording(connection, fresh, now)
        await schedules.insert(connection, fresh)
        await events_out.tell_schedule(connection, fresh)
    return fresh, False


async def _repeated(connection: AsyncConnection, key: Key, earlier: tuple[bytes, str]) -> Schedule:
    request_hash, schedule_id = earlier
    found = await schedules.find(connection, schedule_id)
    if request_hash != key.request_hash or found is None:
        raise await reused(connection, schedule_id)
    return found


async def replace(engine: AsyncEngine, clock: Clock, caller: Caller, schedule: Schedule) -> Schedule:
    """Give a schedule another message, audience and timing; `schedule.version` is the one that the editor saw.

    NotFound outside of the caller's view, PermissionDenied when it is another's, Aborted when it changed meanwhile.
    """
    now = clock()
    async with transaction(engine) as connection:
        found = await _seen(connection, caller, schedule.schedule_id, lock=True)
        if not is_own(caller, found):
            raise PermissionDenied("SCHEDULE_NOT_YOURS", "Only who made a schedule changes what it sends.")
        if found.version != schedule.version:
            raise Aborted("SCHEDULE_CHANGED", "It changed meanwhile. Read it again.")
        fresh = scheduling.edited(found, schedule, now)
        await _hold_recording(connection, fresh, now)
        await schedules.add_occurrences(connection, fresh.schedule_id, scheduling.dropped(found, fresh, now), now)
        await _keep(connection, fresh)
    return fresh


async def pause(engine: AsyncEngine, clock: Clock, caller: Caller, schedule_id: str) -> Schedule:
    """Stop sending; a paused one stays as it is. Errors as in `replace`, and FailedPrecondition when it is over."""
    return await _move(engine, clock, caller, schedule_id, ScheduleState.PAUSED, scheduling.paused)


async def resume(engine: AsyncEngine, clock: Clock, caller: Caller, schedule_id: str) -> Schedule:
    """Send again; an active one stays as it is. Errors as in `pause`."""
    return await _move(engine, clock, caller, schedule_id, ScheduleState.ACTIVE, scheduling.resumed)


async def cancel(engine: AsyncEngine, clock: Clock, caller: Caller, schedule_id: str) -> Schedule:
    """End it; a cancelled one stays as it is. Errors as in `pause`."""
    return await _move(engine, clock, caller, schedule_id, ScheduleState.CANCELLED, scheduling.cancelled)


async def _move(
    engine: AsyncEngine,
    clock: Clock,
    caller: Caller,
    schedule_id: str,
    state: ScheduleState,
    how: Callable[[Schedule, datetime], Schedule],
) -> Schedule:
    async with transaction(engine) as connection:
        found = await _seen(connection, caller, schedule_id, lock=True)
        if not (is_own(caller, found) or "send_messages" in (caller.viewer.permissions if caller.viewer else ())):
            raise PermissionDenied("SCHEDULE_NOT_YOURS", "Your profile does not allow stopping others' messages.")
        if found.state is state:
            return found
        fresh = how(found, clock())
        await _keep(connection, fresh)
    return fresh


async def get(engine: AsyncEngine, caller: Caller, schedule_id: str) -> tuple[Schedule, list[Occurrence]]:
    """Return a schedule and its latest occurrences; NotFound outside of the caller's view."""
    async with transaction(engine) as connection:
        found = await _seen(connection, caller, schedule_id)
        return found, await schedules.occurrences(connection, schedule_id, _OCCURRENCES_SHOWN)


async def listed(
    engine: AsyncEngine, caller: Caller, states: Sequence[ScheduleState], window: Callable[[int], tuple[int, int]]
) -> tuple[list[Schedule], int]:
    """Return a page of the schedules that the caller may see, and how many there are."""
    sight = _sight(caller)
    async with transaction(engine) as connection:
        total = await sight.count(connection, states)
        limit, offset = window(total)
        return await sight.page(connection, states, limit, offset), total


async def next_due(engine: AsyncEngine, now: datetime) -> Schedule | None:
    """Return a schedule that is due."""
    async with transaction(engine) as connection:
        return await schedules.first_due(connection, now)


async def settle(
    connection: AsyncConnection, before: Schedule, after: Schedule, every: Sequence[Occurrence], now: datetime
) -> None:
    """Write what became of occurrences and where it leaves the schedule, in the caller's transaction.

    Aborted when the schedule is no longer as it was read, or another process is at it: then nothing is written.
    """
    if not await schedules.is_unchanged(connection, before):
        raise Aborted("SCHEDULE_CHANGED", "It changed meanwhile.")
    await schedules.add_occurrences(connection, before.schedule_id, every, now)
    await _keep(connection, after)


async def put_back(engine: AsyncEngine, schedule: Schedule, now: datetime, failure: str) -> None:
    """Let a schedule wait, alone, after a failure; one that changed since it was read stays as it is."""
    async with transaction(engine) as connection:
        await schedules.note_failure(connection, scheduling.put_back(schedule, now, failure))


def is_own(caller: Caller, schedule: Schedule) -> bool:
    """Tell whether the caller made the schedule, or is a service."""
    return caller.viewer is None or caller.viewer.person_id == schedule.sender_id


async def _hold_recording(connection: AsyncConnection, schedule: Schedule, now: datetime) -> None:
    """Note that a recording of the sender's is needed; InvalidArgument when there is none that is kept."""
    recording_id = schedule.recording_id
    if recording_id is None or (
        recording_id and await recordings.use(connection, recording_id, [schedule.sender_id], now)
    ):
        return
    wrong = [("/header/channels", "Upload a recording.")]
    raise InvalidArgument("RECORDING_MISSING", "A recorded call needs a recording of its sender.", violations=wrong)


async def _keep(connection: AsyncConnection, schedule: Schedule) -> None:
    await schedules.update(connection, schedule)
    await events_out.tell_schedule(connection, schedule)


async def _seen(connection: AsyncConnection, caller: Caller, schedule_id: str, *, lock: bool = False) -> Schedule:
    found = await schedules.find(connection, schedule_id, lock=lock)
    if found is None or not await _sight(caller).sees(connection, schedule_id):
        raise NotFound("SCHEDULE_NOT_FOUND", "There is no such schedule.")
    return found


def _sight(caller: Caller) -> Sight:
    viewer = caller.viewer
    if viewer is None:
        return Sight(None, all_users=True, schools=("*",))
    sees_all = viewer.all_users and viewer.role in {"admin", "teacher"}
    return Sight(viewer.person_id, all_users=sees_all, schools=viewer.schools)
