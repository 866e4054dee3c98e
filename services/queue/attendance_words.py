"""Attendance rules and absences: proto to our words and back."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import attendance_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.queue import words
from services.queue.attending import LATEST, OLDEST, Absence, Change, Rule, Run
from services.queue.calling import can_be_spoken
from services.queue.domain import Channel
from services.queue.merging import PLACEHOLDERS, unknown

MAX_SUBJECT: Final = 120
MAX_TEXT: Final = {Channel.EMAIL: 15_000, Channel.SMS: 1_000, Channel.TTS: 1_000, Channel.PUSH: 600}
"""Characters of a rule's texts: what the placeholders become needs room too."""
_MAX_NAME, _MAX_CODES, _MAX_CODE, _MAX_SCHOOLS, _MAX_TITLE, _MAX_SOURCED = 100, 50, 20, 500, 200, 255
_MAX_LANGUAGE: Final = 35
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_CODE: Final = re.compile(r"[^\s,\x00-\x1f](?:[^,\x00-\x1f]*[^\s,\x00-\x1f])?")
Wrong = list[tuple[str, str]]


def normal_code(text: str) -> str:
    """Return an attendance code as it is compared: trimmed, in upper case; empty when it is none."""
    found = text.strip().upper()
    return found if len(found) <= _MAX_CODE and _CODE.fullmatch(found) else ""


def check_content(content: pb.AttendanceRuleContent) -> None:
    """Raise InvalidArgument with everything that is wrong with a rule's form."""
    wrong = [*_name_problems(content), *_code_problems(content.codes), *_school_problems(content.school_ids)]
    if not _CLOCK.fullmatch(content.send_time):
        wrong.append(("/content/send_time", "Enter a time like 10:30."))
    wrong += _text_problems(content)
    if wrong:
        raise InvalidArgument("ATTENDANCE_RULE_INVALID", "The rule is not in order.", violations=wrong)


def _name_problems(content: pb.AttendanceRuleContent) -> Iterator[tuple[str, str]]:
    if not 1 <= len(content.name.strip()) <= _MAX_NAME or "\x00" in content.name:
        yield "/content/name", f"Enter a name of at most {_MAX_NAME} characters."
    if len(content.from_title) > _MAX_TITLE or "\x00" in content.from_title:
        yield "/content/from_title", f"At most {_MAX_TITLE} characters are allowed."
    if len(content.language) > _MAX_LANGUAGE or "\x00" in content.language:
        yield "/content/language", f"A language tag has at most {_MAX_LANGUAGE} characters."
    if content.source not in (types.SOURCE_UNSPECIFIED, types.SOURCE_SCHOOL, types.SOURCE_DISTRICT):
        yield "/content/source", "The source is not known."


def _code_problems(codes: Sequence[str]) -> Iterator[tuple[str, str]]:
    if not 1 <= len(codes) <= _MAX_CODES:
        yield "/content/codes", f"Name 1 to {_MAX_CODES} attendance codes."
    elif any(not normal_code(each) for each in codes):
        yield "/content/codes", f"A code has 1 to {_MAX_CODE} characters and no comma."


def _school_problems(school_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(school_ids) > _MAX_SCHOOLS:
        yield "/content/school_ids", f"At most {_MAX_SCHOOLS} schools are allowed."


def _text_problems(content: pb.AttendanceRuleContent) -> Iterator[tuple[str, str]]:
    names = [words.channel_name(each.channel) for each in content.texts]
    if not 1 <= len(names) <= len(MAX_TEXT) or len(set(names)) < len(names):
        yield "/content/texts", "Choose one or more ways to send it, each once."
    if not 1 <= len(content.subject.strip()) <= MAX_SUBJECT or len(content.subject.splitlines()) > 1:
        yield "/content/subject", f"Enter a subject of at most {MAX_SUBJECT} characters, on one line."
    yield from _placeholder_problems("/content/subject", content.subject)
    for name, each in zip(names, content.texts, strict=True):
        pointer = f"/content/texts/{name}"
        if name not in MAX_TEXT:
            yield "/content/texts", "Attendance messages go by e-mail, SMS, TTS and push."
        elif not each.text.strip() or len(each.text) > MAX_TEXT[Channel(name)]:
            yield pointer, f"Write a text of at most {MAX_TEXT[Channel(name)]:,} characters."
        elif name == Channel.TTS and not can_be_spoken(each.text):
            yield pointer, "This has too many special characters to be read aloud."
        yield from _placeholder_problems(pointer, each.text)


def _placeholder_problems(pointer: str, text: str) -> Iterator[tuple[str, str]]:
    if "\x00" in text:
        yield pointer, "A zero character is not allowed."
    if strange := unknown(text):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        yield pointer, f"{{{strange[0][:30]}}} is no placeholder: {known} are."


@dataclass(frozen=True)
class Made:
    """Who makes or changes a rule, when, and for which schools."""

    rule_id: str
    owner_id: str
    owner_name: str
    by: str
    by_name: str
    school_ids: Sequence[str]
    now: datetime


def rule(content: pb.AttendanceRuleContent, made: Made) -> Rule:
    """Return the rule of a checked content, as it begins."""
    kept = pb.AttendanceRuleContent()
    kept.CopyFrom(content)
    kept.name = content.name.strip()
    kept.source = content.source or types.SOURCE_SCHOOL
    codes = tuple(dict.fromkeys(normal_code(each) for each in content.codes))
    for field, values in ((kept.codes, codes), (kept.school_ids, made.school_ids)):
        del field[:]
        field.extend(values)
    return Rule(
        rule_id=made.rule_id,
        owner_id=made.owner_id,
        owner_name=made.owner_name,
        name=kept.name,
        school_ids=tuple(made.school_ids),
        codes=codes,
        content=kept.SerializeToString(deterministic=True),
        send_time=time.fromisoformat(content.send_time),
        begins_at=made.now,
        created_at=made.now,
        changed_at=made.now,
        changed_by=made.by,
        changed_by_name=made.by_name,
    )


def ways(found: Rule) -> list[str]:
    """Return the names of the channels by which a rule tells."""
    return [words.channel_name(each.channel) for each in pb.AttendanceRuleContent.FromString(found.content).texts]


def rule_message(found: Rule, *, may_edit: bool) -> pb.AttendanceRule:
    """Return a rule as it is answered."""
    return pb.AttendanceRule(
        rule_id=found.rule_id,
        content=pb.AttendanceRuleContent.FromString(found.content),
        is_on=found.is_on,
        version=found.version,
        owner_id=found.owner_id,
        owner_name=found.owner_name,
        changed_at=words.stamp(found.changed_at),
        changed_by=found.changed_by_name,
        may_edit=may_edit,
    )


def run_message(found: Run) -> pb.AttendanceRun:
    """Return what a rule did."""
    return pb.AttendanceRun(
        date=found.day.isoformat(),
        school_id=found.school_id,
        students=found.students,
        message_id=found.message_id or "",
        reason=found.reason,
        recorded_at=words.stamp(found.recorded_at),
        late=found.late,
    )


def change_message(found: Change) -> pb.AttendanceRuleChange:
    """Return what was done to a rule."""
    return pb.AttendanceRuleChange(
        version=found.version,
        changed_at=words.stamp(found.changed_at),
        changed_by=found.changed_by_name,
        what=found.what,
        content=pb.AttendanceRuleContent.FromString(found.content),
    )


@dataclass(frozen=True)
class Enrolled:
    """What directory says about the students and schools of a piece of absences."""

    students: Mapping[str, directory.Person]
    """By their id in the student information system."""
    schools: Mapping[str, str]
    """Ids of schools by the same."""


def named_students(rows: Sequence[pb.Absence]) -> list[str]:
    """Return the students that rows name, as far as the names can be any."""
    return sorted({each.student_sourced_id for each in rows if _is_sourced(each.student_sourced_id)})


def _is_sourced(text: str) -> bool:
    return 1 <= len(text) <= _MAX_SOURCED and "\x00" not in text


def absence(row: pb.Absence, known: Enrolled, today: date, now: datetime) -> Absence:
    """Return the absence of a row. InvalidArgument names the field that is wrong."""
    student = known.students.get(row.student_sourced_id)
    if student is None or student.role != types.ROLE_STUDENT or not student.is_active:
        raise _refused("/student_sourced_id", "There is no such student.")
    code, period = normal_code(row.code), row.period.strip()
    if not code:
        raise _refused("/code", f"A code has 1 to {_MAX_CODE} characters and no comma.")
    if len(period) > _MAX_CODE or "\x00" in period:
        raise _refused("/period", f"At most {_MAX_CODE} characters are allowed.")
    stated_at = _or_refused("/stated_at", lambda: words.moment(row.stated_at))
    return Absence(
        student_id=student.person_id,
        school_id=_school(row, student, known),
        day=_day(row.date, today),
        period=period,
        code=code,
        is_withdrawn=row.is_withdrawn,
        stated_at=min(stated_at or now, now),
    )


def _school(row: pb.Absence, student: directory.Person, known: Enrolled) -> str:
    if row.school_sourced_id:
        school_id = known.schools.get(row.school_sourced_id, "")
        if school_id not in student.school_ids:
            raise _refused("/school_sourced_id", "The student does not belong to such a school.")
        return school_id
    if len(student.school_ids) != 1:
        raise _refused("/school_sourced_id", "Name the school: the student does not belong to exactly one.")
    return str(student.school_ids[0])


def _day(text: str, today: date) -> date:
    try:
        found = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        found = None
    if found is None:
        raise _refused("/date", "Write a date like 2026-11-14.")
    if not today - OLDEST <= found <= today + LATEST:
        raise _refused("/date", f"The date is more than {OLDEST.days} days ago, or more than {LATEST.days} ahead.")
    return found


def _or_refused(field: str, read: Callable[[], datetime | None]) -> datetime | None:
    try:
        return read()
    except InvalidArgument as problem:
        raise _refused(field, str(problem)) from problem


def _refused(field: str, detail: str) -> InvalidArgument:
    return InvalidArgument("ABSENCE_INVALID", detail, violations=[(field, detail)])
