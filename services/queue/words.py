"""Proto to our words and back, for rpc.py."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.kit.ids import check_id
from services.queue.domain import Channel, Lane, Source, State
from services.queue.events_out import CHANNELS, SOURCES, summed
from services.queue.failures import explain
from services.queue.keys import hash_of
from services.queue.records import KIND_ORDINARY, Counts, Draft, Entry, Receipt, Sender, Snapshot
from services.queue.survey_words import survey_message, survey_of

_CHANNEL_NAMES = {number: channel for channel, number in CHANNELS.items()}
_SOURCES = {number: source for source, number in SOURCES.items()}
STATES = {
    State(name.removeprefix("DELIVERY_STATE_").lower()): number
    for name, number in types.DeliveryState.items()
    if number
}
STATE_NAMES = {number: state for state, number in STATES.items()}
_LANES, _KINDS, _ROLES = set(types.Lane.values()), set(types.MessageKind.values()), set(types.Role.values())
LONGEST_NAME = 200
"""Characters of a person's name that are kept."""
_LONGEST_DIGEST = 64
"""Bytes of the caller's digest of an audience."""
_LAST_TIME = datetime(2999, 12, 31, tzinfo=UTC)  # There must be time left to expire in.


def moment(stamp: Timestamp) -> datetime | None:
    """Return the time, None when it is not set."""
    if not (stamp.seconds or stamp.nanos):
        return None
    try:
        found = stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as problem:
        raise InvalidArgument("TIME_INVALID", "A time is out of range.") from problem
    if found > _LAST_TIME:
        raise InvalidArgument("TIME_INVALID", "A time is out of range.")
    return found


def stamp(when: datetime | None) -> Timestamp | None:
    """Return the wire form of a time."""
    if when is None:
        return None
    result = Timestamp()
    result.FromDatetime(when)
    return result


def shown(name: str) -> str:
    """Return a person's name, or what else a roster says of them, as it can be stored."""
    return name[:LONGEST_NAME].replace("\x00", "")


def draft(header: pb.MessageHeader) -> Draft:
    """Return the message of a header; its lengths are checked elsewhere."""
    sender = header.sender
    if header.lane not in _LANES or header.kind not in _KINDS or sender.role not in _ROLES:
        raise InvalidArgument("MESSAGE_INVALID", "A lane, kind or role is not known.")
    if len(header.audience_digest) > _LONGEST_DIGEST:
        wrong = [("/audience_digest", f"At most {_LONGEST_DIGEST} bytes.")]
        raise InvalidArgument("MESSAGE_INVALID", "The message is not in order.", violations=wrong)
    names = [channel_name(each.channel) for each in header.channels]
    return Draft(
        idempotency_key=header.idempotency_key,
        sender=Sender(sender.person_id, shown(sender.name), int(sender.role), sender.school_id, sender.grade),
        subject=header.subject,
        body=header.body,
        channels=list(zip(names, (each.text for each in header.channels), strict=True)),
        source=_SOURCES.get(header.source, Source.SCHOOL),
        is_secure=header.is_secure,
        is_emergency=header.is_emergency,
        once_per_family=header.once_per_family,
        lane=Lane(int(header.lane)) if header.lane else Lane.NORMAL,
        kind=int(header.kind) or KIND_ORDINARY,
        send_at=moment(header.send_at),
        expires_at=moment(header.expires_at),
        audience_summary=header.audience_summary,
        language=header.language or "en",
        in_reply_to=header.in_reply_to and check_id("in_reply_to", header.in_reply_to),
        alert_message_id=header.alert_message_id,
        from_title=header.from_title,
        recording_id=_recording_id(header),
        survey=survey_of(header, names),
        is_translated=header.is_translated if header.HasField("is_translated") else None,
        header_hash=hash_of(header),
    )


def _recording_id(header: pb.MessageHeader) -> str:
    given = [each.recording_id for each in header.channels if each.channel == types.CHANNEL_RECORDED]
    return check_id("recording_id", given[0]) if given and given[0] else ""


def channel_name(number: int) -> str:
    """Return the name of a channel; one that is not known gets a name that no channel has."""
    channel = _CHANNEL_NAMES.get(number)  # type: ignore[call-overload]
    return channel.value if channel else f"channel {number}"


def channel_number(channel: Channel) -> "types.Channel.ValueType":
    """Return the number of a channel."""
    return CHANNELS[channel]


def receipt(message: pb.Receipt, now: datetime) -> Receipt:
    """Return a receipt; one without a time happened now."""
    return Receipt(
        message.provider.strip().lower(),
        message.provider_message_id[:200],
        message.delivery_key[:200],
        message.status[:100],
        message.error_code[:200],
        moment(message.occurred_at) or now,
    )


def states(numbers: Iterable[int]) -> list[State]:
    """Return the states, or raise InvalidArgument."""
    found = [STATE_NAMES.get(number) for number in numbers]  # type: ignore[call-overload]
    if None in found:
        raise InvalidArgument("STATE_UNKNOWN", "A state is not known.", violations=[("/states", "Unknown state.")])
    return [each for each in found if each is not None]


def channel(number: int) -> Channel | None:
    """Return the channel, None for UNSPECIFIED, or raise InvalidArgument."""
    if number and number not in _CHANNEL_NAMES:
        raise InvalidArgument("CHANNEL_UNKNOWN", "The channel is not known.", violations=[("/channel", "Unknown.")])
    return _CHANNEL_NAMES.get(number)  # type: ignore[call-overload,no-any-return]


def submitted_entries(snapshot: Snapshot, *, is_masked: bool = False) -> list[pb.SubmittedEntry]:
    """Return the entries with their counts; masked, what was withheld looks sent (statement 176)."""
    result = []
    for entry in snapshot.entries:
        counts = summed(snapshot.counts[entry.entry_id])
        if is_masked:
            counts.sent += counts.withheld + counts.held
            counts.withheld = counts.held = 0
        result.append(
            pb.SubmittedEntry(
                entry_id=entry.entry_id,
                channel=CHANNELS[entry.channel],
                counts=counts,
                from_address=entry.from_address,
                from_name=entry.from_name,
            )
        )
    return result


def header(snapshot: Snapshot) -> pb.MessageHeader:
    """Return a message as it was submitted, without its key."""
    message = snapshot.message
    sender = message.sender
    return pb.MessageHeader(
        sender=pb.Sender(
            person_id=sender.person_id,
            name=sender.name,
            role=types.Role.ValueType(sender.role),
            school_id=sender.school_id,
            grade=sender.grade,
        ),
        channels=[_content(each, snapshot) for each in snapshot.entries],
        source=SOURCES[message.source],
        lane=types.Lane.ValueType(int(message.lane)),
        kind=types.MessageKind.ValueType(message.kind),
        send_at=stamp(message.send_at),
        expires_at=stamp(message.expires_at),
        **{name: getattr(message, name) for name in _SAME},
    )


def _content(entry: Entry, snapshot: Snapshot) -> pb.ChannelContent:
    survey = survey_message(snapshot.survey) if snapshot.survey and entry.survey_id else None
    number, recording_id = CHANNELS[entry.channel], entry.recording_id or ""
    return pb.ChannelContent(channel=number, text=entry.text, recording_id=recording_id, survey=survey)


_SAME = (
    "subject",
    "body",
    "is_secure",
    "is_emergency",
    "once_per_family",
    "audience_summary",
    "language",
    "in_reply_to",
    "alert_message_id",
    "from_title",
    "is_translated",
)


def delivery(row: dict[str, Any]) -> pb.Delivery:
    """Return a queue record."""
    failure = explain(row["provider"], row["error_code"]) if row["error_code"] else None
    return pb.Delivery(
        number=row["number"],
        entry_id=str(row["entry_id"]),
        last_update_at=stamp(row["last_update_at"]),
        state=STATES[State(row["state"])],
        channel=CHANNELS[Channel(row["channel"])],
        expires_at=stamp(row["expires_at"]),
        error=failure.sentence if failure else "",
        remedy=failure.remedy if failure else "",
        type=types.RecipientType.ValueType(row["type"]),
        role=types.Role.ValueType(row["role"]),
        **{name: row.get(name, "") for name in _TOLD},
        **{name: row[name] for name in _SHOWN},
    )


_TOLD = ("text", "subject", "language", "original_text", "original_subject", "untranslated")


_SHOWN = (
    "person_id",
    "name",
    "destination",
    "school_id",
    "staff_id",
    "regarding_student_id",
    "regarding_student_name",
    "student_number",
    "error_code",
)


def inbox_item(row: dict[str, Any]) -> pb.InboxItem:
    """Return a row of an inbox or a sent box."""
    regarding = row.get("regarding") or []
    if "regarding_student_name" in row:
        student = row["regarding_student_name"]
    else:
        student = regarding[0]["name"] if len(regarding) == 1 else ""
    return pb.InboxItem(
        sent_at=stamp(row["sent_at"]),
        regarding_student_name=student,
        language=row.get("language", ""),
        survey_channel=CHANNELS[Channel(row["survey_channel"])] if row["survey_channel"] else types.CHANNEL_UNSPECIFIED,
        **{name: row[name] for name in _ITEM},
    )


_ITEM = (
    "message_id",
    "sender_id",
    "from_title",
    "subject",
    "preview",
    "is_read",
    "is_secure",
    "is_emergency",
    "audience_summary",
)


def page_of(request: types.PageRequest, total: int) -> types.PageInfo:
    """Return where the page stands: past the end is the last page (statement 211)."""
    if request.number < 0 or not 0 <= request.size <= 500:
        wrong = [("/page", "The number is 1 or more and the size 1 to 500.")]
        raise InvalidArgument("PAGE_INVALID", "There is no such page.", violations=wrong)
    size = request.size or 20
    pages = max(1, -(-total // size))
    return types.PageInfo(number=min(max(1, request.number), pages), size=size, total_rows=total, total_pages=pages)


def window(request: types.PageRequest, total: int) -> tuple[int, int]:
    """Return how many rows a page has and how many are before it."""
    info = page_of(request, total)
    return info.size, (info.number - 1) * info.size


def by_school(counts: dict[str, dict[str, int]]) -> list[types.DeliveryCounts]:
    """Return the counts of each school."""
    result = []
    for school_id, each in counts.items():
        message = summed(Counts({school_id: each}))
        message.school_id = school_id
        result.append(message)
    return result
