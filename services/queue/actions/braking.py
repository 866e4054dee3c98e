"""Holding e-mail back by itself, and letting it go by a person."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition
from services.kit.logs import get_logger
from services.queue import events_out, metrics
from services.queue.actions.contacting import check_operator
from services.queue.attention import Attention, Kind
from services.queue.braking import WINDOW
from services.queue.reasons import check_reason
from services.queue.store import brakes
from services.queue.store.brakes import Brake

_log = get_logger(__name__)


async def watch(engine: AsyncEngine, clock: Clock) -> None:
    """Put the brake on when too many of the last day's e-mails bounced or were complained about."""
    now = clock()
    async with transaction(engine) as connection:
        brake = await brakes.latest(connection)
        if brake and not brake.released_at:
            metrics.mail_held_back.set(1)
            return
        since = max(now - WINDOW, brake.released_at) if brake and brake.released_at else now - WINDOW
        mailing = await brakes.measure(connection, since)
        is_new = mailing.is_too_bad and await brakes.put_on(connection, mailing, now)
        if is_new:
            await events_out.tell_attention(connection, Attention(Kind.MAIL_HELD_BACK, mailing.in_words()))
    metrics.mail_held_back.set(int(is_new))
    if is_new:
        _log.error("mail_held_back", answered=mailing.answered, bounced=mailing.bounced, complained=mailing.complained)


async def standing(engine: AsyncEngine) -> Brake | None:
    """Return the brake if e-mail is held back."""
    async with transaction(engine) as connection:
        brake = await brakes.latest(connection)
    return brake if brake and not brake.released_at else None


async def release(engine: AsyncEngine, clock: Clock, caller: Caller, reason: str) -> None:
    """Let e-mail go again; what is submitted from now on is judged anew.

    PermissionDenied for all but the district's operators, InvalidArgument without a reason of 1 to 500 characters,
    FailedPrecondition when nothing is held back.
    """
    by = check_operator(caller)
    said = check_reason(reason)
    async with transaction(engine) as connection:
        if not await brakes.release(connection, by, said, clock()):
            raise FailedPrecondition("MAIL_NOT_HELD_BACK", "E-mail is not held back.")
