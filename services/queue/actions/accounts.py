"""Telling that a provider takes nothing from our account: once, by whichever dispatcher meets it first."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import ServiceError
from services.kit.logs import get_logger
from services.queue import events_out
from services.queue.attention import Attention, Kind
from services.queue.failures import explained
from services.queue.store import accounts
from services.queue.store.accounts import Refused

AGAIN_AFTER = timedelta(hours=4)
"""While it lasts, people are told again after this long."""
EMERGENCY_AGAIN_AFTER = timedelta(minutes=30)
"""While an emergency waits for it."""
OVER_AFTER = timedelta(minutes=15)
"""Without a refusal for this long it was mended: what waits is tried again every five minutes at the latest."""
NOTED_AGAIN_AFTER = timedelta(seconds=10)
"""Receipts of the same entries that say the same within this time are noted together, by each process."""
_WHAT = {
    "twilio": "Texts by Twilio {}.",
    "twilio_voice": "Calls by Twilio {}.",
    "ses": "E-mail by Amazon SES {}s.",
    "sns": "Push messages by Amazon SNS {}.",
    "aws_sms": "Texts by AWS End User Messaging {}.",
    "aws_voice": "Calls by AWS End User Messaging {}.",
}
_log = get_logger(__name__)


@dataclass(frozen=True)
class Refusal:
    """What a provider answered, or told by a receipt, that concerns all whom we write to by it."""

    provider: str
    code: str
    is_emergency: bool = False
    """Whether an emergency waits because of it."""
    failed: Collection[str] | None = None
    """Entries of which it had taken deliveries that fail now; None: it takes none, and all wait."""
    deliveries: int = 0
    """How many these are, since it was noted last."""


@dataclass
class _Noted:
    """What receipts tell of one provider."""

    at: datetime
    entry_ids: set[str] = field(default_factory=set)
    deliveries: int = 0
    """How many are not noted yet."""


class Lately:
    """What one process noted lately of receipts: providers send them one by one, and each of them says the same."""

    def __init__(self) -> None:
        """Nothing is noted yet."""
        self._noted: dict[str, _Noted] = {}

    def deliveries_to_note(self, provider: str, entry_ids: Collection[str], deliveries: int, now: datetime) -> int:
        """Return how many deliveries to note now; 0 when these wait, since their entries were noted a moment ago.

        An entry that is new never waits: an emergency may be among it.
        """
        noted = self._noted.get(provider)
        if noted is None or noted.at <= now - NOTED_AGAIN_AFTER:
            noted = self._noted[provider] = _Noted(now, deliveries=noted.deliveries if noted else 0)
        elif noted.entry_ids.issuperset(entry_ids):
            noted.deliveries += deliveries
            return 0
        noted.entry_ids.update(entry_ids)
        deliveries, noted.deliveries = deliveries + noted.deliveries, 0
        return deliveries


async def note_refusal(engine: AsyncEngine, clock: Clock, refusal: Refusal) -> None:
    """Tell that a provider refuses our account, unless somebody was told lately.

    What the provider answered must not be lost over this: without the database nothing is noted, and the next refusal
    tells of it.
    """
    provider, now = refusal.provider, clock()
    _log.error("account_refused", provider=provider, code=refusal.code, failed=refusal.deliveries)
    try:
        async with transaction(engine) as connection:
            is_emergency = refusal.is_emergency or await accounts.has_emergency(connection, refusal.failed or ())
            before = await accounts.lock(connection, provider, now)
            is_told = before is None or _is_news(before, now, refusal, is_emergency=is_emergency)
            await accounts.keep(connection, provider, _noted(before, now, is_told=is_told, is_emergency=is_emergency))
            if is_told:
                reason = _reason(refusal, is_emergency=is_emergency)
                await events_out.tell_attention(connection, Attention(Kind.ACCOUNT_REFUSED, reason))
    except ServiceError:
        _log.warning("account_refusal_not_noted", provider=provider)


def _reason(refusal: Refusal, *, is_emergency: bool) -> str:
    what = _WHAT.get(refusal.provider, "Messages {}.").format("wait" if refusal.failed is None else "fail")
    also = " An emergency is among them." if is_emergency else ""
    return f"{what}{also} {explained(refusal.provider, refusal.code)}"


def _is_news(before: Refused, now: datetime, refusal: Refusal, *, is_emergency: bool) -> bool:
    # What failed by a receipt is not tried again: that nothing is heard of it says nothing of its being mended.
    is_anew = refusal.failed is None and (before.refused_at is None or before.refused_at <= now - OVER_AFTER)
    told_at = before.emergency_told_at
    # Alerts do not count: this notice is one itself, and would tell of itself where e-mail is refused.
    is_urgent = is_emergency and (told_at is None or told_at <= now - EMERGENCY_AGAIN_AFTER)
    return is_anew or is_urgent or before.told_at <= now - AGAIN_AFTER


def _noted(before: Refused | None, now: datetime, *, is_told: bool, is_emergency: bool) -> Refused:
    if before is None:
        return Refused(now, now, now if is_emergency else None)
    told_at = now if is_told else before.told_at
    return Refused(told_at, now, now if is_told and is_emergency else before.emergency_told_at)
