"""Telling that a provider takes nothing from our account: once, by whichever dispatcher meets it first."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import ServiceError
from services.kit.logs import get_logger
from services.queue import events_out
from services.queue.attention import Attention, Kind
from services.queue.failures import explained
from services.queue.store import accounts

AGAIN_AFTER = timedelta(hours=4)
"""While it lasts, people are told again after this long."""
_WHAT = {
    "twilio": "Texts by Twilio wait.",
    "twilio_voice": "Calls by Twilio wait.",
    "ses": "E-mail by Amazon SES waits.",
    "sns": "Push messages by Amazon SNS wait.",
    "aws_sms": "Texts by AWS End User Messaging wait.",
}
_log = get_logger(__name__)


async def note_refusal(engine: AsyncEngine, clock: Clock, provider: str, code: str) -> None:
    """Tell that a provider refuses our account, unless somebody was told lately.

    What the provider answered must not be lost over this: without the database nothing is noted, and the next refusal
    tells of it.
    """
    _log.error("account_refused", provider=provider, code=code)
    now = clock()
    reason = f"{_WHAT.get(provider, 'Messages wait.')} {explained(provider, code)}"
    try:
        async with transaction(engine) as connection:
            if await accounts.begin(connection, provider, now, now - AGAIN_AFTER):
                await events_out.tell_attention(connection, Attention(Kind.ACCOUNT_REFUSED, reason))
    except ServiceError:
        _log.warning("account_refusal_not_noted", provider=provider)
