"""Messages as the composer and the API make them: checked fields, and their submission."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway import addressing, asking, choosing, throttling, to_staff
from services.gateway.access import Permission, Person
from services.gateway.drafts import Draft
from services.gateway.languages import LANGUAGES
from services.gateway.pages import working_school
from services.gateway.state import gateway
from services.gateway.words import CALL_OUT, CALLS, CHANNELS, SURVEYS
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied, ServiceError
from services.kit.rpc_errors import translated

OFFERED = (
    types.CHANNEL_EMAIL,
    types.CHANNEL_SMS,
    types.CHANNEL_PUSH,
    types.CHANNEL_TTS,
    types.CHANNEL_RECORDED,
)
"""Channels of the composer; the portal inbox is always beside them."""
LIMITS = {
    types.CHANNEL_EMAIL: 20_000,
    types.CHANNEL_SMS: 1_600,
    types.CHANNEL_PUSH: 1_000,
    types.CHANNEL_TTS: 1_600,
    types.CHANNEL_RECORDED: 20_000,
    **dict.fromkeys(SURVEYS, 20_000),
}
LINK_ROOM = 300
"""Characters of a text that the queue keeps for the link to answer, in a message that asks something."""
SUBJECT_LIMIT, BODY_LIMIT = 200, 20_000
LONGEST_USE = timedelta(days=30)
_TO_STAFF = {types.CHANNEL_EMAIL, *SURVEYS}
"""Ways in which students and parents write to staff."""
_MOST_MESSAGES = 60
"""Messages of one person who is not staff in `throttling.WINDOW`."""
_SUBMIT_SECONDS = 60.0


def offered_to(person: Person) -> "list[types.Channel.ValueType]":
    """Return the channels that the composer offers: texts and calls only where they are switched on, and not in an
    excluded school (statements 13, 226).
    """
    has_call_out = person.has_call_out and not _is_excluded(person)
    return [channel for channel in OFFERED if has_call_out or channel not in CALL_OUT]


def _is_excluded(person: Person) -> bool:
    school = working_school(person)
    return school is not None and school.is_excluded


def kept_by(draft: Draft, person: Person) -> "list[types.Channel.ValueType]":
    """Return the channels that a draft names and that are not offered now: nobody loses one without a word."""
    offered = offered_to(person)
    return [each for each in OFFERED if each not in offered and (each in draft.channels or draft.text_of(each))]


def limit_of(channel: "types.Channel.ValueType", draft: Draft) -> int:
    """Return how many characters a channel takes of a draft."""
    has_link = channel == types.CHANNEL_SMS and bool(draft.asking.kind)
    return LIMITS.get(channel, BODY_LIMIT) - (LINK_ROOM if has_link else 0)


def check(draft: Draft, person: Person) -> None:
    """Raise for a draft that cannot go.

    InvalidArgument with every field at fault; PermissionDenied for what the profile does not allow.
    """
    if draft.is_emergency and not person.may(Permission.SEND_EMERGENCY):
        raise PermissionDenied("EMERGENCY_NOT_ALLOWED", "Your profile does not allow emergency messages.")
    # The queue lets an excluded school speak for itself in the district's place, for which nobody needs the right.
    if draft.is_district and not person.may(Permission.SEND_AS_DISTRICT) and not _is_excluded(person):
        raise PermissionDenied("DISTRICT_NOT_ALLOWED", "Your profile does not allow sending as the district.")
    if draft.asking.kind:
        asking.check_may_ask(person)
    if not person.may(Permission.SEND_MESSAGES) or not person.is_staff:
        _check_staff_only(draft)
    wrong = [*_problems(draft), *_list_problems(draft, person)]
    if wrong:
        raise InvalidArgument("MESSAGE_INVALID", "Some fields need another look.", violations=wrong)


def _check_staff_only(draft: Draft) -> None:
    if draft.school_ids or draft.grades or draft.roles or draft.list_id or draft.student_ids:
        raise PermissionDenied("STAFF_ONLY", "You can write to members of staff only.")
    if draft.channels.keys() - _TO_STAFF:
        # A text would reach a teacher's own mobile, whose only way out, STOP, ends the district's texts too.
        wrong = [("/channels", "Write to staff by e-mail; students may ask them in a poll or sign-up.")]
        raise InvalidArgument("MESSAGE_INVALID", "Some fields need another look.", violations=wrong)
    to_staff.check(draft.person_ids)


def _problems(draft: Draft) -> Iterator[tuple[str, str]]:
    if not draft.subject.strip():
        yield "/subject", "Enter a subject."
    elif len(draft.subject) > SUBJECT_LIMIT:
        yield "/subject", f"Shorten the subject to {SUBJECT_LIMIT} characters."
    if not draft.body.strip():
        yield "/body", "Write the message."
    elif len(draft.body) > BODY_LIMIT:
        yield "/body", f"Shorten the message to {BODY_LIMIT:,} characters."
    if draft.language not in LANGUAGES:
        yield "/language", "Choose one of the languages."
    if not draft.channels:
        yield "/channels", "Choose at least one way to send it."
    for channel, text in draft.channels.items():
        label, limit = CHANNELS[channel].label, limit_of(channel, draft)
        if len(text or draft.body) > limit:
            name = CHANNELS[channel].value
            beside = " beside the link to answer" if limit < LIMITS.get(channel, BODY_LIMIT) else ""
            yield f"/texts/{name}", f"{label} takes {limit:,} characters{beside}. Write a shorter text for it."
    yield from _audience_problems(draft)
    yield from _expiry_problems(draft)
    yield from _call_problems(draft)
    yield from _survey_problems(draft)


def _audience_problems(draft: Draft) -> Iterator[tuple[str, str]]:
    if not (draft.list_id or draft.roles or draft.names_people):
        yield "/roles", "Choose who should get it, or upload a list."
    if len(draft.person_ids) + len(draft.student_ids) > choosing.MOST:
        yield "/person_ids", f"Name at most {choosing.MOST} people and families; for more, choose schools and grades."


def _expiry_problems(draft: Draft) -> Iterator[tuple[str, str]]:
    if not (draft.no_use_after or draft.expires_at):
        return
    expires_at, now = draft.expiring(gateway().zone), gateway().clock()
    if draft.when.is_later and expires_at:
        # The next sending decides, which the queue knows.
        return
    if expires_at is None or not now < expires_at <= now + LONGEST_USE:
        yield "/expires_at", f"Choose a time to come, by {LONGEST_USE.days} days at most."


def _list_problems(draft: Draft, person: Person) -> Iterator[tuple[str, str]]:
    school = working_school(person)
    if draft.list_id and school and school.is_excluded:
        yield "/list", f"{school.title} is excluded from communication: it writes to its own people alone."


def _survey_problems(draft: Draft) -> Iterator[tuple[str, str]]:
    asked = [channel for channel in draft.channels if channel in SURVEYS]
    if asked != [draft.asking.channel] and (asked or draft.asking.kind):
        yield "/survey", "A poll or a sign-up needs its channel and its questions, and goes alone."
    elif asked and types.CHANNEL_EMAIL in draft.channels:
        yield "/channels", "A poll or a sign-up goes out by e-mail already: leave out E-mail."
    elif asked:
        yield from asking.problems(draft.asking, gateway().zone, gateway().clock())


def _call_problems(draft: Draft) -> Iterator[tuple[str, str]]:
    if types.CHANNEL_RECORDED in draft.channels and not draft.recording_id:
        yield "/recording", "Upload a recording for the call."
    if draft.is_emergency and not CALLS & set(draft.channels):
        yield "/is_emergency", "An emergency goes out as a call: choose text to speech or a recorded call."


def preview_sending(draft: Draft, person: Person, send_at: datetime | None) -> list[queue.ChannelPreview]:
    """Return what the queue would do with a checked draft by each channel, without doing it."""
    header = header_of(draft, person)
    if send_at:
        header.send_at.FromDatetime(send_at)

    def pieces() -> Iterator[queue.PreviewSubmissionRequest]:
        yield queue.PreviewSubmissionRequest(piece=queue.SubmitRequest(header=header))
        for rows in addressing.recipients(draft, person):
            yield queue.PreviewSubmissionRequest(piece=queue.SubmitRequest(recipients=rows))

    return list(_stream(gateway().clients.queue.PreviewSubmission, pieces()).channels)


def submit(draft: Draft, person: Person) -> queue.SubmitResponse:
    """Send a checked draft. The same key again answers the first result.

    FailedPrecondition when it reaches nobody, ResourceExhausted after many of somebody who is not staff.
    """
    if not person.is_staff:
        _count(draft, person)
    rows = addressing.recipients(draft, person)
    first = next(rows, None)
    if first is None:
        raise FailedPrecondition("AUDIENCE_EMPTY", "This reaches nobody. Choose other schools, grades or people.")

    def pieces() -> Iterator[queue.SubmitRequest]:
        yield queue.SubmitRequest(header=header_of(draft, person))
        yield queue.SubmitRequest(recipients=first)
        for piece in rows:
            yield queue.SubmitRequest(recipients=piece)

    answer: queue.SubmitResponse = _stream(gateway().clients.queue.Submit, pieces())
    return answer


def _count(draft: Draft, person: Person) -> None:
    """Count a message. All students' messages wait for screening in one queue, which nobody is to fill alone."""
    text = f"You sent {_MOST_MESSAGES} messages in a quarter of an hour. Wait some minutes, then send this one."
    limit = (throttling.key_of("message", person.person_id), _MOST_MESSAGES)
    throttling.count_once(gateway().engine, gateway().clock, limit, draft.key, ("TOO_MANY_MESSAGES", text))


def _stream(call: Callable[..., Any], pieces: Iterator[Any]) -> Any:
    """Return what the queue answers to pieces which are read from directory as they go.

    Where the reading fails, gRPC knows only that the call could not go on; what failed is raised in its place.
    """
    failed: list[Exception] = []

    def watched() -> Iterator[Any]:
        try:
            yield from pieces
        except Exception as problem:
            failed.append(problem)
            raise

    try:
        with translated():
            return call(watched(), timeout=_SUBMIT_SECONDS)
    except ServiceError:
        if failed:
            raise failed[0] from None
        raise


def header_of(draft: Draft, person: Person) -> queue.MessageHeader:
    """Return what the queue takes of a draft, without its recipients."""
    school = working_school(person)
    # A schedule stays the district's: at each sending the queue looks whether the school is excluded then.
    is_district = draft.is_district and (draft.when.is_later or not _is_excluded(person))
    role = types.Role.Value(f"ROLE_{person.role.upper()}")
    title = gateway().settings.district_name if is_district or school is None else school.title
    header = queue.MessageHeader(
        idempotency_key=draft.key,
        sender=queue.Sender(
            person_id=person.person_id,
            name=person.name,
            role=role,
            school_id=school.school_id if school else "",
            grade=person.grade if person.role == "student" else "",
        ),
        subject=draft.subject.strip(),
        body=draft.body,
        channels=list(_contents(draft)),
        source=types.SOURCE_DISTRICT if is_district else types.SOURCE_SCHOOL,
        is_secure=draft.is_secure,
        is_emergency=draft.is_emergency,
        once_per_family=draft.once_per_family,
        language=draft.language,
        is_translated=draft.is_translated,
        audience_summary=addressing.summary(draft, person),
        audience_digest=addressing.digest(draft, person),
        in_reply_to=draft.in_reply_to,
        from_title=title if person.is_staff else person.name,
    )
    if expires_at := draft.expiring(gateway().zone):
        header.expires_at.FromDatetime(expires_at)
    return header


def _contents(draft: Draft) -> Iterator[queue.ChannelContent]:
    for channel, text in draft.channels.items():
        recording_id = draft.recording_id if channel == types.CHANNEL_RECORDED else ""
        survey = asking.survey_of(draft.asking, gateway().zone) if channel in SURVEYS else None
        yield queue.ChannelContent(channel=channel, text=text, recording_id=recording_id, survey=survey)
