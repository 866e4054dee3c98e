"""What notify does: raise alerts, take acknowledgements, hand alerts to queue, read what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2 as directory
from protos.events.v1 import notify_pb2 as events
from protos.notify.v1 import notify_pb2 as pb
from protos.queue.v1 import queue_pb2 as queue
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, ServiceError
from services.kit.listening import tell_listeners
from services.kit.logs import get_logger
from services.kit.outbox import add_events, first_time
from services.notify import messages, metrics
from services.notify.clients import Directory, Queue
from services.notify.domain import (
    Holder,
    Occasion,
    Telling,
    Way,
    alert_words,
    follow_up_words,
    link_to,
    retry_seconds,
    warning_words,
)
from services.notify.store import alerts, telling, undecided

_log = get_logger(__name__)
ALERT_CHANGED = "notify.alert.changed.v1"
THREAT_ALERTS = "threat_alerts"
WARNED = "manage_profiles"
# Queue's answers that another try cannot change.
_FINAL = (InvalidArgument, AlreadyExists, FailedPrecondition)


@dataclass(frozen=True)
class Place:
    """What the words of an alert depend on."""

    portal_url: str
    time_zone: str


@dataclass(frozen=True)
class Source:
    """The event that an effect comes of."""

    durable: str
    event_id: str


@dataclass(frozen=True)
class ToTell:
    """Who is told of a threat, and whether as holders of Threat Alerts or as administrators who must find some."""

    occasion: Occasion
    people: list[directory.Recipient]

    @property
    def holders(self) -> list[Holder]:
        """Those who get an alert in the portal: nobody when it is a warning, which shows no threat."""
        return _holders(self.people) if self.occasion is Occasion.ALERT else []


def _holders(people: Sequence[directory.Recipient]) -> list[Holder]:
    return [Holder(each.person_id, each.name) for each in people]


async def find_people(known: Directory, school_id: str) -> list[ToTell]:
    """Return whom to tell: holders of the sender's school, else every holder, else administrators (177, 186).

    Administrators are also warned beside the holders of other schools: they can give somebody there Threat Alerts.
    """
    if school_id and (people := await known.holders(THREAT_ALERTS, [school_id])):
        return [ToTell(Occasion.ALERT, people)]
    everybody = await known.holders(THREAT_ALERTS)
    found = [ToTell(Occasion.ALERT, everybody)] if everybody else []
    if school_id or not everybody:
        found.append(ToTell(Occasion.WARNING, await known.holders(WARNED)))
    return found


async def find_still(known: Directory, alerted: Sequence[directory.Recipient]) -> list[directory.Recipient]:
    """Return those who were alerted and hold Threat Alerts still, as directory knows them now."""
    person_ids = {each.person_id for each in alerted}
    return [each for each in await known.holders(THREAT_ALERTS) if each.person_id in person_ids]


async def raise_alerts(
    engine: AsyncEngine,
    clock: Clock,
    source: Source,
    threat: Mapping[str, Any],
    to_tell: Sequence[ToTell],
    place: Place,
) -> None:
    """Write a threat, its holders' alerts and the submissions that tell people; a second time changes nothing."""
    message_id = threat["message_id"]
    async with transaction(engine) as connection:
        await alerts.lock(connection, message_id)
        if not await first_time(connection, source.durable, source.event_id):
            return
        if not await alerts.insert_threat(connection, threat):
            return
        acknowledged = await alerts.acknowledgement(connection, message_id)
        dismissed_at = acknowledged["acknowledged_at"] if acknowledged else None
        person_ids = [holder.person_id for each in to_tell for holder in each.holders]
        await _announce(connection, await alerts.raise_alerts(connection, message_id, person_ids, dismissed_at))
        now = clock()
        link = link_to(place.portal_url, message_id)
        words = {Occasion.ALERT: alert_words(link), Occasion.WARNING: warning_words(link, is_alerted=bool(person_ids))}
        for each in to_tell:
            await submit_later(connection, message_id, each, words[each.occasion], now)
        if acknowledged:
            await _follow_up(connection, acknowledged, place, now)
    metrics.alerts_raised.add(len(person_ids))
    metrics.alert_delay.record(max(0.0, (clock() - threat["raised_at"]).total_seconds()))
    if not any(each.people for each in to_tell):
        metrics.nobody_told.add(1)
        _log.error("nobody_to_tell_of_threat", message_id=message_id)


async def let_review(
    connection: AsyncConnection, message_id: str, people: Sequence[directory.Recipient], acknowledged_at: datetime
) -> None:
    """Write alerts of an acknowledged threat, dismissed as all of it are: who has one may review it (177)."""
    person_ids = [each.person_id for each in people]
    await _announce(connection, await alerts.raise_alerts(connection, message_id, person_ids, acknowledged_at))


async def submit_later(
    connection: AsyncConnection, message_id: str, to_tell: ToTell, words: Telling, now: datetime
) -> None:
    """Write whom to tell by e-mail and push, for the loop that hands it to queue."""
    people = _holders(to_tell.people)
    ways = {Way.PORTAL: to_tell.holders, Way.EMAIL: people, Way.PUSH: people}
    await telling.add_told(connection, message_id, to_tell.occasion, ways, now)
    if people:
        values = {
            "message_id": message_id,
            "occasion": to_tell.occasion,
            "header": messages.header(message_id, to_tell.occasion, words).SerializeToString(deterministic=True),
            "recipients": messages.recipients(to_tell.people).SerializeToString(deterministic=True),
        }
        await telling.add_submission(connection, values, now)


async def _announce(connection: AsyncConnection, alert_ids: Sequence[str]) -> None:
    """Tell the other services, and whoever watches, of new or changed alerts."""
    changed = await alerts.alerts_by_id(connection, alert_ids)
    told = [(ALERT_CHANGED, events.AlertChanged(alert=messages.alert_message(row))) for row in changed]
    await add_events(connection, told)
    await tell_listeners(connection, alerts.CHANNEL, alert_ids)


async def take_acknowledgement(
    engine: AsyncEngine, clock: Clock, source: Source, acknowledged: Mapping[str, Any], place: Place
) -> None:
    """Dismiss a threat's alerts for everybody and tell them who acknowledged it, once (statements 203 to 208)."""
    message_id = acknowledged["message_id"]
    async with transaction(engine) as connection:
        await alerts.lock(connection, message_id)
        if not await first_time(connection, source.durable, source.event_id):
            return
        if not await alerts.remember_acknowledgement(connection, acknowledged):
            return
        if not await alerts.is_known(connection, message_id):
            return
        dismissed = await alerts.dismiss(connection, message_id, acknowledged["acknowledged_at"])
        await _announce(connection, dismissed)
        await _follow_up(connection, acknowledged, place, clock())


async def take_decision(engine: AsyncEngine, message_id: str, decided_at: datetime) -> None:
    """Remember that a threat is decided: nobody is reminded of it any more. A second time changes nothing."""
    async with transaction(engine) as connection:
        await undecided.remember_decision(connection, message_id, decided_at)


async def _follow_up(connection: AsyncConnection, acknowledged: Mapping[str, Any], place: Place, now: datetime) -> None:
    """Tell those who were alerted; no new portal alert (statement 204)."""
    message_id = str(acknowledged["message_id"])
    earlier = await telling.recipients_of(connection, message_id, Occasion.ALERT)
    if earlier is None:
        return
    people = [row.recipient for row in queue.RecipientRows.FromString(earlier).rows]
    words = follow_up_words(
        link_to(place.portal_url, message_id), acknowledged["name"], acknowledged["acknowledged_at"], place.time_zone
    )
    await submit_later(connection, message_id, ToTell(Occasion.FOLLOW_UP, people), words, now)


async def submit_one(engine: AsyncEngine, clock: Clock, to: Queue) -> bool:
    """Hand one due submission to queue, with no connection held meanwhile; False when none is due."""
    async with transaction(engine) as connection:
        claimed = await telling.claim_submission(connection, clock())
    if claimed is None:
        return False
    header = queue.MessageHeader.FromString(claimed["header"])
    rows = queue.RecipientRows.FromString(claimed["recipients"]).rows
    try:
        answer = await to.submit(header, rows)
    except _FINAL as problem:
        await _give_up(engine, claimed, problem)
        return True
    except ServiceError as problem:
        async with transaction(engine) as connection:
            await telling.record_failed(connection, claimed, problem.reason, clock())
        _log.warning("alert_not_submitted", reason=problem.reason, attempts=claimed["attempts"])
        _count(claimed, "failed")
        return True
    ways = {each.entry_id: messages.WAYS[each.channel] for each in answer.entries}
    async with transaction(engine) as connection:
        await telling.record_taken(connection, claimed, ways, clock())
    _count(claimed, "taken")
    metrics.submission_delay.record(max(0.0, (clock() - claimed["created_at"]).total_seconds()))
    return True


async def _give_up(engine: AsyncEngine, claimed: dict[str, Any], problem: ServiceError) -> None:
    async with transaction(engine) as connection:
        await telling.record_refused(connection, claimed, problem.reason)
    _log.error("alert_refused", reason=problem.reason, message_id=str(claimed["message_id"]))
    _count(claimed, "refused")


def _count(claimed: dict[str, Any], outcome: str) -> None:
    metrics.submissions.add(1, {"occasion": claimed["occasion"], "outcome": outcome})


async def hear_progress(engine: AsyncEngine, clock: Clock, versions: Mapping[str, int]) -> None:
    """Remember which of our entries moved; the loop reads their deliveries."""
    async with transaction(engine) as connection:
        ours = await telling.ours(connection, list(versions))
        if ours:
            await telling.hear_progress(connection, {each: versions[each] for each in ours}, clock())


async def read_one(engine: AsyncEngine, clock: Clock, to: Queue) -> bool:
    """Read the deliveries of one entry that moved, with no connection held meanwhile; False when none did."""
    async with transaction(engine) as connection:
        claimed = await telling.claim_entry(connection, clock())
    if claimed is None:
        return False
    try:
        found = await to.deliveries(str(claimed["entry_id"]))
    except ServiceError as problem:
        _log.warning("alert_progress_unread", reason=problem.reason)
        async with transaction(engine) as connection:
            await telling.postpone_entry(connection, claimed, clock() + timedelta(seconds=retry_seconds(4)))
        return True
    states = {each.person_id: (messages.state_word(each.state), each.error) for each in found if each.person_id}
    async with transaction(engine) as connection:
        await telling.record_read(connection, claimed, states, clock())
    return True


async def open_alerts(engine: AsyncEngine, person_id: str) -> list[pb.Alert]:
    """Return a person's open alerts, newest first."""
    async with transaction(engine) as connection:
        return [messages.alert_message(row) for row in await alerts.open_alerts(connection, person_id)]


async def changed_alerts(engine: AsyncEngine, alert_ids: Sequence[str], person_id: str = "") -> list[pb.Alert]:
    """Return these alerts as they are now, of one person alone if one is named."""
    async with transaction(engine) as connection:
        return [messages.alert_message(row) for row in await alerts.alerts_by_id(connection, alert_ids, person_id)]


async def told_of(engine: AsyncEngine, message_id: str) -> list[pb.Told]:
    """Return who was told about a threat, by which way, and whether it arrived."""
    async with transaction(engine) as connection:
        return [messages.told_message(row) for row in await telling.told_of(connection, message_id)]
