"""What queue, moderation and reports tell notify."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import moderation_pb2 as moderation
from protos.events.v1 import queue_pb2 as queue
from protos.events.v1 import reports_pb2 as reports
from services.kit.bus import DEAD_LETTERS
from services.kit.clock import Clock
from services.kit.consumer import Event, Subscribing
from services.notify import actions, notices
from services.notify.clients import Directory
from services.notify.domain import (
    Occasion,
    Trouble,
    dead_letter_words,
    provider_back_words,
    provider_out_words,
    referral_words,
    stalled_words,
    stopped_words,
)

THREATS = Subscribing("queue", "notify-threats", ("queue.message.withheld.v1",), workers=4)
PROGRESS = Subscribing("queue", "notify-deliveries", ("queue.entry.progressed.v1",), batch=200, workers=1)
REVIEWS = Subscribing("reports", "notify-reviews", ("reports.review.changed.v1",), workers=2)


STALLS = Subscribing("queue", "notify-stalls", ("queue.screening.stalled.v1",), workers=1)
ATTENTION = Subscribing("queue", "notify-attention", ("queue.attention.needed.v1",), workers=1)
PROVIDERS = Subscribing("moderation", "notify-providers", ("moderation.provider.changed.v1",), workers=1)
REFERRALS = Subscribing("reports", "notify-referrals", ("reports.referral.added.v1",), workers=1)
DEAD = Subscribing(DEAD_LETTERS, "notify-dead-letters", (f"{DEAD_LETTERS}.>",), workers=1)
_TROUBLES = {
    moderation.ProviderChanged.TROUBLE_QUOTA: Trouble.QUOTA,
    moderation.ProviderChanged.TROUBLE_REFUSED: Trouble.REFUSED,
}

OCCASIONS = {
    queue.ATTENTION_KIND_ACCOUNT_REFUSED: Occasion.ACCOUNT_REFUSED,
    queue.ATTENTION_KIND_MAIL_HELD_BACK: Occasion.MAIL_HELD_BACK,
    queue.ATTENTION_KIND_SCHEDULE_PAUSED: Occasion.SCHEDULE_PAUSED,
    queue.ATTENTION_KIND_SCHEDULE_NOT_SENT: Occasion.SCHEDULE_NOT_SENT,
    queue.ATTENTION_KIND_ATTENDANCE_NOT_SENT: Occasion.ATTENDANCE_NOT_SENT,
}


class Events:
    """Handlers of the consumers."""

    def __init__(self, engine: AsyncEngine, clock: Clock, directory: Directory, place: actions.Place) -> None:
        """Take what the handlers work with."""
        self._engine, self._clock, self._directory, self._place = engine, clock, directory, place

    async def withheld(self, delivered: Sequence[Event]) -> None:
        """Alert whoever holds Threat Alerts; imported past threats alert nobody."""
        for each in delivered:
            event = queue.MessageWithheld.FromString(each.payload)
            if event.is_imported:
                continue
            to_tell = await actions.find_people(self._directory, event.message.sender_school_id)
            source = actions.Source(THREATS.durable, event.event_id)
            await actions.raise_alerts(self._engine, self._clock, source, threat_row(event), to_tell, self._place)

    async def reviewed(self, delivered: Sequence[Event]) -> None:
        """Take acknowledgements and decisions; flags concern nobody here."""
        for each in delivered:
            event = reports.ReviewChanged.FromString(each.payload)
            if event.decision:
                decided_at = event.decided_at.ToDatetime(tzinfo=UTC)
                await actions.take_decision(self._engine, event.message_id, decided_at)
            if not event.acknowledged_by_id:
                continue
            acknowledged = {
                "message_id": event.message_id,
                "person_id": event.acknowledged_by_id,
                "name": event.acknowledged_by_name,
                "acknowledged_at": event.acknowledged_at.ToDatetime(tzinfo=UTC),
            }
            source = actions.Source(REVIEWS.durable, event.event_id)
            await actions.take_acknowledgement(self._engine, self._clock, source, acknowledged, self._place)

    async def referred(self, delivered: Sequence[Event]) -> None:
        """Tell those who follow up a referral that it is there."""
        for each in delivered:
            event = reports.ReferralAdded.FromString(each.payload)
            people = await notices.find_followers(self._directory, event.told_ids)
            words = referral_words(self._place.portal_url, event.referral_id, event.added_by_name)
            notice = notices.Notice(event.referral_id, Occasion.REFERRAL, words)
            source = actions.Source(REFERRALS.durable, event.event_id)
            await notices.tell(self._engine, self._clock(), source, people, notice)

    async def stalled(self, delivered: Sequence[Event]) -> None:
        """Tell administrators that messages wait too long for screening."""
        for each in delivered:
            event = queue.ScreeningStalled.FromString(each.payload)
            people = await notices.find_administrators(self._directory)
            words = stalled_words(event.messages, event.oldest_at.ToDatetime(tzinfo=UTC), self._place.time_zone)
            source = actions.Source(STALLS.durable, event.event_id)
            notice = notices.Notice(event.event_id, Occasion.STALLED, words)
            await notices.tell(self._engine, self._clock(), source, people, notice)

    async def stopped(self, delivered: Sequence[Event]) -> None:
        """Tell whose it is, and administrators, of what stopped by itself; what is about the same once."""
        for each in delivered:
            event = queue.AttentionNeeded.FromString(each.payload)
            occasion = OCCASIONS[event.kind]
            people = await notices.find_administrators(self._directory)
            if event.owner_id not in {"", *(one.person_id for one in people)}:
                people += await self._directory.staff(event.owner_id)
            words = stopped_words(self._place.portal_url, occasion, event.reason, event.subject_id)
            source = actions.Source(ATTENTION.durable, event.about_id)
            await notices.tell(
                self._engine, self._clock(), source, people, notices.Notice(event.about_id, occasion, words)
            )

    async def provider_changed(self, delivered: Sequence[Event]) -> None:
        """Tell administrators who judges: the embedded model in the vendor's place, or the vendor again."""
        for each in delivered:
            event = moderation.ProviderChanged.FromString(each.payload)
            people = await notices.find_administrators(self._directory)
            source = actions.Source(PROVIDERS.durable, event.event_id)
            await notices.tell(self._engine, self._clock(), source, people, self._provider_notice(event))

    def _provider_notice(self, event: moderation.ProviderChanged) -> notices.Notice:
        zone, began_at = self._place.time_zone, event.began_at.ToDatetime(tzinfo=UTC)
        if event.is_out:
            words = provider_out_words(_TROUBLES.get(event.trouble, Trouble.SILENT), began_at, zone)
            return notices.Notice(event.event_id, Occasion.PROVIDER_OUT, words)
        words = provider_back_words(began_at, event.ended_at.ToDatetime(tzinfo=UTC), zone)
        return notices.Notice(event.event_id, Occasion.PROVIDER_BACK, words)

    async def buried(self, delivered: Sequence[Event]) -> None:
        """Tell administrators, once a day and consumer, of events that it could not take; never of this one's own."""
        for durable in dict.fromkeys(each.subject.partition(".")[2] for each in delivered):
            if durable == DEAD.durable:
                continue
            now = self._clock()
            about_id = str(uuid5(NAMESPACE_URL, f"{DEAD_LETTERS}.{durable}/{now:%Y-%m-%d}"))
            people = await notices.find_administrators(self._directory)
            notice = notices.Notice(about_id, Occasion.DEAD_LETTER, dead_letter_words(durable))
            await notices.tell(self._engine, now, actions.Source(DEAD.durable, about_id), people, notice)

    async def progressed(self, delivered: Sequence[Event]) -> None:
        """Note which alerts moved. A version says whether a repeated event is news, so none needs remembering."""
        versions: dict[str, int] = {}
        for each in delivered:
            event = queue.EntryProgressed.FromString(each.payload)
            versions[event.entry_id] = max(event.version, versions.get(event.entry_id, 0))
        await actions.hear_progress(self._engine, self._clock, versions)


def threat_row(event: queue.MessageWithheld) -> dict[str, Any]:
    """Return a threat as its row; its text is the subject, the body, and what a channel says differently."""
    message = event.message
    texts = dict.fromkeys([message.subject, message.body, *(each.text for each in message.entries)])
    return {
        "message_id": message.message_id,
        "sender_name": message.sender_name,
        "recipient_names": list(event.recipient_names),
        "text": "\n".join(each for each in texts if each),
        "verdict": event.verdict.SerializeToString(),
        "raised_at": event.withheld_at.ToDatetime(tzinfo=UTC),
        "sender_school_id": message.sender_school_id,
    }
