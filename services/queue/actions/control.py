"""Cancelling what has not left."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import NotFound, PermissionDenied
from services.queue import events_out, settings_out
from services.queue.actions.seeing import may_manage
from services.queue.domain import Deltas, State
from services.queue.records import Outcome
from services.queue.store import batches, copying, counts, inbox, messages


async def cancel(engine: AsyncEngine, clock: Clock, caller: Caller, message_id: str) -> int:
    """Stop what has not left; return how many deliveries.

    NotFound outside of the caller's view; a repetition stops nothing more.
    """
    now = clock()
    async with transaction(engine) as connection:
        message = await messages.find(connection, message_id, lock=True)
        if message is None or not may_manage(caller, message):
            raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
        gone = await batches.remove_unsent(connection, message_id)
        deltas = Deltas()
        rows = []
        for entry_id, created_at, school_id, before, numbers in gone:
            deltas.move(entry_id, school_id, before, State.CANCELLED, len(numbers))
            rows.append((entry_id, created_at, school_id, now, [Outcome(each, State.CANCELLED) for each in numbers]))
        if rows:
            await copying.copy_outcomes(connection, rows)
            await counts.apply(connection, deltas, now)
        stopped = sum(len(numbers) for *_, numbers in gone)
        if stopped or message.cancelled_at is None:
            await settings_out.tell_cancelled(connection, settings_out.Done.of(caller, now), message_id, stopped)
        if message.cancelled_at is None:
            await messages.mark_cancelled(connection, message_id, now)
            await inbox.withdraw_unseen(connection, message_id, now)
            await events_out.tell_cancelled(connection, message_id, now)
    return stopped


def check_manager(caller: Caller) -> None:
    """Raise PermissionDenied for students and parents: what they sent is not theirs to stop or repeat."""
    if caller.viewer and caller.viewer.role not in {"admin", "teacher"}:
        raise PermissionDenied("STAFF_ONLY", "This is for staff.")
