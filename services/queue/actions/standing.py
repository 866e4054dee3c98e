"""What a sender may do: decided before a message is taken, from directory's answers and the caller's token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.kit.auth import Caller
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.queue import surveys
from services.queue.calling import can_be_spoken
from services.queue.domain import (
    CALL_OUT,
    CALLS,
    MAILED,
    MAX_BODY,
    MAX_ID,
    MAX_KEY,
    MAX_SUBJECT,
    MAX_TEXT,
    Channel,
    Lane,
    Source,
)
from services.queue.quiet import QuietHours
from services.queue.records import (
    KIND_ALERT,
    KIND_ATTENDANCE,
    ROLE_ADMIN,
    ROLE_PARENT,
    ROLE_STUDENT,
    ROLE_TEACHER,
    TYPE_DIRECTORY,
    Addressees,
    Draft,
    Message,
    Sender,
)

_STAFF = {ROLE_ADMIN, ROLE_TEACHER}
_WORDS, _IDS = ("person_id", "school_id", "grade"), ("in_reply_to", "alert_message_id")
MAX_CHANNELS = 7


@dataclass(frozen=True)
class KnownSender:
    """A sender as directory knows them."""

    person_id: str
    name: str
    role: int
    school_ids: Sequence[str]
    grade: str
    permissions: frozenset[str]
    visible_schools: frozenset[str] = frozenset({"*"})
    """Schools whose people they may reach: ids, or the single "*"."""


@dataclass(frozen=True)
class KnownSchool:
    """A school as directory knows it."""

    title: str
    is_excluded: bool
    quiet: QuietHours | None = None
    time_zone: str = ""
    """IANA zone that this machine knows; empty: the district's."""
    sourced_id: str = ""


@dataclass(frozen=True)
class Known:
    """What directory says, at most some seconds old."""

    sender: KnownSender | None
    schools: Mapping[str, KnownSchool]
    modules: Mapping[str, bool]
    """Module name: purchased and enabled."""


@dataclass(frozen=True)
class Standing:
    """What is fixed about a message's sender when it is taken."""

    sender: Sender
    from_title: str
    is_excluded: bool
    """Their school is excluded from communication (section R)."""
    is_screened: bool
    is_translated: bool = False
    """Each recipient gets the message in their language."""
    staff_only: bool = False
    """Students and parents write to staff alone."""
    schools: frozenset[str] | None = None
    """Schools whose recipients they may address; None means all, an empty set none."""

    def check_recipients(self, piece: Addressees, before: int) -> None:
        """Raise PermissionDenied when one of them may not be written to. `before` were checked earlier."""
        if not self.staff_only and not self.is_excluded and self.schools is None:
            return
        looked_at = zip(piece.roles, piece.types, piece.school_ids, strict=True)
        for number, (role, kind, school_id) in enumerate(looked_at, before + 1):
            row = {"row": str(number)}
            if self.staff_only and (role not in _STAFF or kind != TYPE_DIRECTORY):
                raise PermissionDenied("STAFF_ONLY", "Students and parents write to staff alone.", metadata=row)
            # Whom an uploaded list names belongs to no school that is known.
            if self.is_excluded and (school_id != self.sender.school_id or kind != TYPE_DIRECTORY):
                raise PermissionDenied("SCHOOL_EXCLUDED", "This school communicates within itself alone.", metadata=row)
            if not school_id:
                continue
            if self.schools is not None and school_id not in self.schools:
                sentence = "A recipient is of a school that you cannot write to."
                raise PermissionDenied("RECIPIENT_OUT_OF_SCOPE", sentence, metadata=row)


def check_draft(draft: Draft) -> None:
    """Raise InvalidArgument with every violation of the form."""
    wrong = [
        *_length("idempotency_key", draft.idempotency_key, 1, MAX_KEY),
        *_line("subject", draft.subject, MAX_SUBJECT),
        *_length("body", draft.body, 0, MAX_BODY),
        *_length("audience_summary", draft.audience_summary, 0, 500),
        *_line("from_title", draft.from_title, 200),
        *_length("language", draft.language, 0, 35),
        *(bad for name in _WORDS for bad in _length(f"sender/{name}", getattr(draft.sender, name), 0, MAX_ID)),
        *(bad for name in _IDS for bad in _length(name, getattr(draft, name), 0, MAX_ID)),
        *_channels(draft),
        *surveys.problems([name for name, _ in draft.channels], draft.survey),
    ]
    if not (draft.subject.strip() or draft.body.strip() or any(text.strip() for _, text in draft.channels)):
        wrong.append(("/body", "Write something."))
    if draft.expires_at and draft.send_at and draft.expires_at <= draft.send_at:
        wrong.append(("/expires_at", "This must be later than send_at."))
    if wrong:
        raise InvalidArgument("MESSAGE_INVALID", "The message is not in order.", violations=wrong)


def _line(field: str, text: str, most: int) -> list[tuple[str, str]]:
    """A header of an e-mail is one line; providers refuse any other."""
    if len(text.splitlines()) > 1:
        return [(f"/{field}", "Write it on one line.")]
    return _length(field, text, 0, most)


def _length(field: str, text: str, least: int, most: int) -> list[tuple[str, str]]:
    if "\x00" in text:
        return [(f"/{field}", "A zero character is not allowed.")]
    if least <= len(text) <= most:
        return []
    return [(f"/{field}", f"{len(text):,} characters; {least} to {most:,} are allowed.")]


def _channels(draft: Draft) -> list[tuple[str, str]]:
    if not 1 <= len(draft.channels) <= MAX_CHANNELS:
        return [("/channels", f"1 to {MAX_CHANNELS} channels are needed.")]
    wrong, seen = [], set()
    for position, (name, text) in enumerate(draft.channels):
        pointer = f"/channels/{position}"
        if name not in set(Channel):
            wrong.append((f"{pointer}/channel", "This channel is not known, or not available."))
            continue
        if name in seen:
            wrong.append((f"{pointer}/channel", "A channel may be named once."))
        seen.add(name)
        most = MAX_TEXT[Channel(name)] - (surveys.LINK_ROOM if draft.survey and name == Channel.SMS else 0)
        said = text or draft.body
        wrong += _length(f"channels/{position}/text", said, 0, most)
        if not said.strip() and name not in MAILED:
            wrong.append((f"{pointer}/text", "This channel has nothing to say."))
        if name == Channel.TTS and len(said) <= most and not can_be_spoken(said):
            wrong.append((f"{pointer}/text", "This has too many special characters to be read aloud."))
    return wrong


def check_recorder(caller: Caller, known: Known) -> None:
    """Raise unless the caller may upload a recording: staff who send messages, where calls are switched on."""
    if caller.viewer:
        may_send = known.sender is not None and "send_messages" in known.sender.permissions
        if known.sender is None or known.sender.role not in _STAFF or not may_send:
            raise PermissionDenied("SENDING_NOT_ALLOWED", "Calls are for staff who may send messages.")
    if not known.modules.get("call_out", False):
        raise FailedPrecondition("CALL_OUT_OFF", "The Call Out System is off: texts and calls cannot be sent.")


def decide(draft: Draft, caller: Caller, known: Known) -> Standing:
    """Return the sender's standing, or raise PermissionDenied or FailedPrecondition."""
    if caller.viewer and caller.viewer.person_id != draft.sender.person_id:
        raise PermissionDenied("SENDER_NOT_SELF", "You can send in your own name only.")
    if caller.viewer and known.sender is None:
        raise PermissionDenied("SENDER_UNKNOWN", "Your account is not active.")
    sender = _sender(draft, known)
    school = known.schools.get(sender.school_id)
    if sender.school_id and school is None and draft.kind != KIND_ALERT:
        raise InvalidArgument(
            "SCHOOL_UNKNOWN", "The school is not known.", violations=[("/sender/school_id", "There is no such school.")]
        )
    is_excluded = school is not None and school.is_excluded
    if known.sender is not None and caller.viewer:
        check_permissions(draft, caller, known.sender, is_excluded=is_excluded)
    _check_lane(draft, caller)
    _check_calls(draft, sender)
    _check_modules(draft, known, is_excluded=is_excluded)
    is_staff = sender.role in _STAFF
    is_schools = school is not None and is_staff and (is_excluded or not draft.from_title)
    title = school.title if school and is_schools else draft.from_title or sender.name
    return Standing(
        sender=sender,
        from_title=title,
        is_excluded=is_excluded,
        is_screened=sender.role == ROLE_STUDENT and known.modules.get("moderation_api", False),
        is_translated=_is_translated(draft, known),
        staff_only=caller.viewer is not None and not is_staff,
        schools=reachable(caller) if is_staff else None,
    )


def _sender(draft: Draft, known: Known) -> Sender:
    """Return the sender with what directory says in place of what was claimed; a role cannot be talked away."""
    claimed = draft.sender
    if known.sender is None:
        return claimed
    person = known.sender
    schools = list(person.school_ids)
    if claimed.school_id and schools and person.role != ROLE_ADMIN and claimed.school_id not in schools:
        raise PermissionDenied("SCHOOL_NOT_YOURS", "You do not belong to this school.")
    school_id = claimed.school_id or _usual_school(person)
    return replace(claimed, name=person.name, role=person.role, grade=person.grade, school_id=school_id)


def _usual_school(person: KnownSender) -> str:
    """Return where somebody writes from who names no school; the district's own people write from none."""
    schools = person.school_ids
    is_of_one = len(schools) == 1 and "*" not in person.visible_schools
    return schools[0] if schools and (is_of_one or person.role in {ROLE_STUDENT, ROLE_TEACHER}) else ""


def reachable(caller: Caller) -> frozenset[str] | None:
    """Return the schools whose people a caller may write to; None: every one."""
    viewer = caller.viewer
    return None if viewer is None or viewer.is_district_wide else viewer.schools


def check_permissions(draft: Draft | Message, caller: Caller, sender: KnownSender, *, is_excluded: bool) -> None:
    """Raise PermissionDenied where a caller may not send this, `sender` being what directory knows of the caller."""
    held = sender.permissions & (caller.viewer.permissions if caller.viewer else sender.permissions)
    needed = "send_messages" if sender.role in _STAFF else "send_to_staff"
    if needed not in held:
        raise PermissionDenied("SENDING_NOT_ALLOWED", "Your profile does not allow sending messages.")
    if draft.is_emergency and "send_emergency" not in held:
        raise PermissionDenied("EMERGENCY_NOT_ALLOWED", "Your profile does not allow emergency messages.")
    # An excluded school's district source becomes the school's, so that its staff need no right to the district's name.
    if draft.source is Source.DISTRICT and not is_excluded and "send_as_district" not in held:
        raise PermissionDenied("DISTRICT_NOT_ALLOWED", "Your profile does not allow sending as the district.")
    if sender.role in {ROLE_STUDENT, ROLE_PARENT} and (draft.is_emergency or draft.source is Source.DISTRICT):
        raise PermissionDenied("SENDING_NOT_ALLOWED", "This is for staff.")


def _check_lane(draft: Draft, caller: Caller) -> None:
    if draft.kind == KIND_ATTENDANCE:
        # Attendance lists what its rules sent and nothing else (statement 120).
        raise PermissionDenied("LANE_NOT_ALLOWED", "Attendance messages are made by attendance rules.")
    is_urgent = draft.lane is Lane.ALERT or (draft.lane is Lane.EMERGENCY and not draft.is_emergency)
    # An alert is screened by nobody, and no report lists it: a leaked token of a notice system must not send any.
    if (draft.kind == KIND_ALERT or is_urgent) and (caller.viewer or "queue.alerts" not in caller.scopes):
        raise PermissionDenied("LANE_NOT_ALLOWED", "This lane is for the system.")


def _check_calls(draft: Draft, sender: Sender) -> None:
    """Only staff call: what is said in a recording cannot be screened. Only a call is an emergency (statement 46)."""
    has_call = any(name in CALLS for name, _ in draft.channels)
    if has_call and sender.role not in _STAFF and draft.kind != KIND_ALERT:
        raise PermissionDenied("SENDING_NOT_ALLOWED", "Calls are for staff.")
    if draft.is_emergency and not has_call:
        wrong = [("/is_emergency", "Choose text to speech or a recorded call.")]
        raise InvalidArgument("EMERGENCY_NEEDS_CALL", "An emergency goes out as a call.", violations=wrong)


def _check_modules(draft: Draft, known: Known, *, is_excluded: bool) -> None:
    if draft.kind != KIND_ALERT and any(name in CALL_OUT for name, _ in draft.channels):
        check_call_out(known, is_excluded=is_excluded)


def check_call_out(known: Known, *, is_excluded: bool) -> None:
    """Raise FailedPrecondition where texts and calls are switched off, or not for the sender's school."""
    if not known.modules.get("call_out", False):
        raise FailedPrecondition("CALL_OUT_OFF", "The Call Out System is off: texts and calls cannot be sent.")
    if is_excluded:
        sentence = "Texts and calls are not available to a school excluded from communication."
        raise FailedPrecondition("SCHOOL_EXCLUDED", sentence)


def _is_translated(draft: Draft, known: Known) -> bool:
    """Return whether it is translated: as its sender says, else as the district has set it. Alerts never are."""
    is_on = known.modules.get("translation", False) and draft.kind != KIND_ALERT
    if draft.is_translated and not is_on:
        raise FailedPrecondition("TRANSLATION_OFF", "Translation is off: messages leave as they were written.")
    return is_on and draft.is_translated is not False
