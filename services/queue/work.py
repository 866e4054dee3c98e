"""What a dispatcher would take, and has in hand: a batch that it has claimed, and what it takes to send it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from services.queue.domain import Channel, DeliveryKey, Lane
from services.queue.message_types import MessageType
from services.queue.quiet import QuietHours
from services.queue.translating import Wording


class Full(NamedTuple):
    """Channels whose provider has enough to do."""

    urgent: Sequence[Channel] = ()
    """In the lanes of alerts and emergencies."""
    ordinary: Sequence[Channel] = ()


NOTHING_FULL: Final = Full()


class Paced(NamedTuple):
    """Who takes a channel's batches where providers have a rate."""

    channel: Channel
    usual: str
    standby: str
    """Empty: it has none."""


@dataclass(frozen=True)
class Wanted:
    """Which batches a dispatcher would take."""

    lanes: Sequence[Lane]
    slices: Mapping[Channel, int]
    """Its channels, each with the number of recipients for whom calls may begin with the claim."""
    most: int = 1
    full: Full = NOTHING_FULL
    paced: Sequence[Paced] = ()
    """Of these, ordinary batches of those whose provider urgent calls fill are left where they are."""


@dataclass(frozen=True)
class Content:
    """What is sent: the same for every recipient of an entry, but for the values of placeholders."""

    subject: str
    text: str
    from_title: str
    language: str
    is_emergency: bool
    kind: int
    recording_id: str | None = None
    """What a recorded call plays."""
    is_withheld: bool = False
    """It was pulled back after it had been released: what comes back from a provider does not go out again."""
    is_cancelled: bool = False
    """Staff stopped it: what comes back from a provider does not go out again."""
    survey_id: str | None = None
    """What the message asks, by whichever channel this goes."""
    closes_at: datetime | None = None
    """When that takes no answers any more."""
    once_per_family: bool = False
    """A recipient may stand for brothers and sisters."""
    message_type: MessageType = MessageType.ANNOUNCEMENT
    from_address: str = ""
    """Where it goes out from; empty: the configuration's."""
    from_name: str = ""
    """From Name of an e-mail; empty: from_title."""


@dataclass(frozen=True)
class Batch:
    """A batch that this process has claimed."""

    batch_id: int
    entry_id: str
    message_id: str
    created_at: datetime
    school_id: str
    channel: Channel
    lane: Lane
    numbers: Sequence[int]
    attempt: int
    expires_at: datetime
    claim_id: str
    claimed_at: datetime
    calling_at: datetime | None
    """When the provider was first called for it; None when certainly nothing was handed over."""
    begun: int
    """For how many of its numbers, in their order, a call may have begun; the claim itself says so of the first."""
    translated_into: str
    """Language in which its recipients are told if there is a translation; empty: as it was written."""
    waits_since: datetime
    """When it was first due, however often it was tried since; what quiet hours held is due when they end."""
    content: Content
    quiet: QuietHours | None
    """Of its school, or of the sender's where its recipients have none."""

    def key(self, number: int) -> DeliveryKey:
        """Return the delivery key of one of its recipients."""
        return DeliveryKey(self.entry_id, number, self.attempt)


class Delivery(NamedTuple):
    """A recipient of a claimed batch, with what decides whether and where a message goes."""

    number: int
    destination: str
    problem: str
    regarding_student_name: str
    """Of what has a link to answer; empty for all others."""


@dataclass(frozen=True)
class Work:
    """A claimed batch with what it takes to send it."""

    batch: Batch
    recipients: Sequence[Delivery]
    """Those without an outcome."""
    values: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """By number, what stands in place of placeholders; merging.content_for puts it in."""
    wording: Wording = field(default_factory=Wording)
    """Of its language. The content is in this language already; this is for the words around it."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """By destination, the code of why it may not be written to."""

    @property
    def content(self) -> Content:
        """What is sent."""
        return self.batch.content
