"""The brake of e-mail: what it goes by, when it was set, and who released it; rows are kept as history."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.braking import FEWEST_ANSWERED, FEWEST_COMPLAINTS, MOST_BOUNCED, Mailing

# Polls and sign-ups are e-mails.
_AT_WORST = sa.text(
    "SELECT coalesce(sum(c.sent + c.error), 0), coalesce(sum(c.error), 0)"
    " FROM entries e JOIN entry_counts c USING (entry_id)"
    " WHERE e.created_at >= :since AND e.channel IN ('email', 'poll', 'signup')"
)
_SUPPRESSED = sa.text(
    "SELECT count(*) FILTER (WHERE reason = 'hard_bounce'), count(*) FILTER (WHERE reason = 'complaint')"
    " FROM suppression_changes WHERE changed_at >= :since AND channel = 'email' AND action = 'suppressed'"
)
# What has no address, or is in the portal alone, never was the provider's; what is on Amazon's own list never left it,
# and is no bounce by its count.
_ANSWERED = sa.text(
    "SELECT count(*), count(*) FILTER (WHERE o.state = 'error' AND o.error_code ILIKE 'bounce/permanent%')"
    " FROM entries e JOIN outcomes o ON o.entry_id = e.entry_id AND o.created_at = e.created_at"
    " WHERE e.created_at >= :since AND o.created_at >= :since AND e.channel IN ('email', 'poll', 'signup')"
    " AND o.state IN ('sent', 'error') AND o.provider = 'ses'"
    " AND o.error_code NOT ILIKE 'bounce/permanent/onaccountsuppressionlist'"
)
_SET = sa.text(
    "INSERT INTO brakes (answered, bounced, complained, set_at) VALUES (:answered, :bounced, :complained, :now)"
    " ON CONFLICT DO NOTHING RETURNING brake_id"
)
_RELEASE = sa.text(
    "UPDATE brakes SET released_at = :now, released_by_id = :person_id, released_by_name = :person_name,"
    " release_reason = :reason WHERE released_at IS NULL RETURNING brake_id"
)
_LATEST = sa.text(
    "SELECT answered, bounced, complained, set_at, released_at, released_by_name, release_reason"
    " FROM brakes ORDER BY brake_id DESC LIMIT 1"
)


@dataclass(frozen=True)
class Brake:
    """One time of holding e-mail back."""

    mailing: Mailing
    set_at: datetime
    released_at: datetime | None
    released_by_name: str
    release_reason: str


async def measure(connection: AsyncConnection, since: datetime) -> Mailing:
    """Return what became of the e-mails that were submitted since then and that the provider had.

    Telling these, and their bounces, from all others reads every delivery: a third of a second for half a million. So
    the counters are looked at first; without a suppressed address, or with few errors, all is well.
    """
    values = {"since": since}
    answered, failed = (await connection.execute(_AT_WORST, values)).one()
    addresses, complained = (await connection.execute(_SUPPRESSED, values)).one()
    if complained < FEWEST_COMPLAINTS and (not addresses or failed < FEWEST_ANSWERED * MOST_BOUNCED):
        return Mailing(int(answered), 0, complained)
    answered, bounced = (await connection.execute(_ANSWERED, values)).one()
    return Mailing(answered, bounced, complained)


async def put_on(connection: AsyncConnection, mailing: Mailing, now: datetime) -> bool:
    """Hold e-mail back; False when it is held back already."""
    values = {"answered": mailing.answered, "bounced": mailing.bounced, "complained": mailing.complained, "now": now}
    return (await connection.execute(_SET, values)).scalar_one_or_none() is not None


async def release(connection: AsyncConnection, by: tuple[str, str], reason: str, now: datetime) -> bool:
    """Let e-mail go again; `by` is the id and name of who says so. False when it is not held back."""
    values = {"person_id": by[0], "person_name": by[1], "reason": reason, "now": now}
    return (await connection.execute(_RELEASE, values)).scalar_one_or_none() is not None


async def latest(connection: AsyncConnection) -> Brake | None:
    """Return the last time, whether it still holds or not."""
    row = (await connection.execute(_LATEST)).one_or_none()
    return Brake(Mailing(*row[:3]), *row[3:]) if row else None
