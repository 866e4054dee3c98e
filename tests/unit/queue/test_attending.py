"""Attendance: when a rule owes a message, what its texts become, which rows are absences; pure."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import attendance_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.queue import attending
from services.queue.attendance_words import Enrolled, absence, check_content, normal_code
from services.queue.attending import Left, Rule, Tried, edited, left_to_tell, owed, put_off, switched
from services.queue.merging import Told, about, by_number, fill, unknown

MONDAY = datetime(2026, 11, 2, 6, tzinfo=UTC)
"""One in the morning in New York, ten in the evening of the day before in Los Angeles."""
ZONES = {"east": "America/New_York", "west": "America/Los_Angeles"}


def rule(**fields: Any) -> Rule:
    base: dict[str, Any] = {
        "rule_id": "r", "owner_id": "o", "owner_name": "Ada", "name": "Absent", "school_ids": (), "codes": ("A",),
        "content": b"", "send_time": time(10, 30), "begins_at": MONDAY, "created_at": MONDAY, "changed_at": MONDAY,
        "changed_by": "o", "changed_by_name": "Ada",
    }  # fmt: skip
    return Rule(**base | fields)


def keys(found: Rule, now: datetime) -> list[tuple[str, date, bool]]:
    return [(each.school_id, each.day, each.is_missed) for each in owed(found, ZONES, now)]


@pytest.mark.accepts(242)
def test_a_rule_owes_its_message_at_its_time_on_the_wall_of_each_school() -> None:
    day = date(2026, 11, 2)
    assert keys(rule(), MONDAY.replace(hour=15, minute=29)) == []
    assert keys(rule(), MONDAY.replace(hour=15, minute=30)) == [("east", day, False)]
    assert keys(rule(), MONDAY.replace(hour=18, minute=30)) == [("east", day, False), ("west", day, False)]
    assert keys(rule(school_ids=("west",)), MONDAY.replace(hour=18, minute=30)) == [("west", day, False)]


def test_what_is_late_is_owed_until_midnight_and_then_missed() -> None:
    day, evening = date(2026, 11, 2), datetime(2026, 11, 3, 4, 59, tzinfo=UTC)
    assert keys(rule(school_ids=("east",)), evening) == [("east", day, False)]
    assert keys(rule(school_ids=("east",)), evening + timedelta(minutes=2)) == [("east", day, True)]


def test_what_was_due_before_a_rule_began_is_not_owed() -> None:
    noon = datetime(2026, 11, 2, 17, tzinfo=UTC)
    assert keys(rule(begins_at=noon - timedelta(hours=1)), noon) == []
    off_and_on = switched(switched(rule(), noon, is_on=False), noon, is_on=True)
    assert (off_and_on.begins_at, off_and_on.version) == (noon, 3)
    assert edited(rule(), rule(send_time=time(9)), noon).begins_at == noon
    assert edited(rule(), rule(school_ids=("west",)), noon).begins_at == MONDAY


def test_a_rule_owes_a_school_that_is_added_what_comes_after_that() -> None:
    evening = datetime(2026, 11, 3, 2, 30, tzinfo=UTC)
    east, both, long_since = ("east",), ("east", "west"), MONDAY - timedelta(days=9)
    for schools in (both, ()):
        added = edited(rule(school_ids=east, begins_at=long_since), rule(school_ids=schools), evening)
        # The school that it had is still owed what was not sent before the edit.
        owed_before = keys(rule(school_ids=east, begins_at=long_since), evening)
        assert (
            keys(added, evening)
            == owed_before
            == [("east", date(2026, 11, 1), True), ("east", date(2026, 11, 2), False)]
        )
        assert keys(edited(added, replace(added, codes=("B",)), evening), evening) == owed_before
        assert ("west", date(2026, 11, 3), False) in keys(added, evening + timedelta(hours=17))
        for anew in (edited(added, rule(send_time=time(9)), evening), switched(added, evening, is_on=True)):
            assert keys(anew, evening) == []
    for before, after in ((both, east), ((), both), ((), ())):
        kept = edited(rule(school_ids=before, begins_at=long_since), rule(school_ids=after), evening)
        assert kept.begins_at == long_since


def test_a_failure_waits_longer_each_time_and_at_most_five_minutes() -> None:
    first = put_off(None, MONDAY)
    second = put_off(first, MONDAY)
    assert [each.until - MONDAY for each in (first, second)] == [timedelta(seconds=5), timedelta(seconds=10)]
    assert put_off(attending.Waiting(400, MONDAY), MONDAY).until - MONDAY == timedelta(minutes=5)


def told(number: int, name: str, destination: str, person: str, codes: str = "A", entry: str = "e") -> Told:
    return Told(entry, number, person, destination, name, codes)


@pytest.mark.accepts(74, 129)
def test_a_message_for_the_family_names_each_of_its_students_and_others_their_own() -> None:
    amy, ben = told(1, "Amy", "rosa@example.org", "mum"), told(2, "Ben", "rosa@example.org", "mum", "A, T")
    zoe, text = told(3, "Zoe", "hill@example.org", "dad", "T"), told(1, "Amy", "+12125550101", "mum", entry="sms")
    every = [amy, ben, zoe, text]
    together = {"student": "Amy and Ben", "code": "A, T"}
    family = by_number(every, "e", once_per_family=True)
    assert family == {1: together, 2: together, 3: {"student": "Zoe", "code": "T"}}
    assert by_number(every, "sms", once_per_family=True) == {1: together}
    assert by_number(every, "e", once_per_family=False)[2] == {"student": "Ben", "code": "A, T"}


def test_placeholders_become_values_once_and_within_the_limit() -> None:
    values = about([("Amy {code}", "A")])
    assert fill("{student} ({code}) at {school}", values, 100) == "Amy {code} (A) at {school}"
    assert fill("x{student}", {"student": "y" * 20}, 10) == "x" + "y" * 8 + "…"
    assert about([(f"Student {n:02}", "A") for n in range(30)])["student"] == "Student 00 and 29 more"
    assert unknown("{student} {name} {} {school}") == ["", "name"]


def content(**fields: Any) -> pb.AttendanceRuleContent:
    base: dict[str, Any] = {
        "name": "Absent today", "codes": ["A"], "subject": "Absent", "send_time": "10:30",
        "texts": [pb.AttendanceText(channel=types.CHANNEL_EMAIL, text="{student} was absent.")],
    }  # fmt: skip
    return pb.AttendanceRuleContent(**base | fields)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": " "}, "/content/name"),
        ({"name": "n" * 101}, "/content/name"),
        ({"codes": []}, "/content/codes"),
        ({"codes": ["A,B"]}, "/content/codes"),
        ({"codes": [str(n) for n in range(51)]}, "/content/codes"),
        ({"subject": ""}, "/content/subject"),
        ({"subject": "{name}"}, "/content/subject"),
        ({"subject": "Absent\r\nBcc: x@example.org"}, "/content/subject"),
        ({"language": "e" * 36}, "/content/language"),
        ({"language": "e\x00"}, "/content/language"),
        ({"send_time": "25:00"}, "/content/send_time"),
        ({"school_ids": ["s"] * 501}, "/content/school_ids"),
        ({"texts": []}, "/content/texts"),
        ({"texts": [pb.AttendanceText(channel=types.CHANNEL_RECORDED, text="x")]}, "/content/texts"),
        ({"texts": [pb.AttendanceText(channel=types.CHANNEL_SMS, text="x" * 1_001)]}, "/content/texts/sms"),
        ({"texts": [pb.AttendanceText(channel=types.CHANNEL_PUSH, text=" ")]}, "/content/texts/push"),
        ({"texts": [pb.AttendanceText(channel=types.CHANNEL_SMS, text="{x}")]}, "/content/texts/sms"),
        ({"texts": [pb.AttendanceText(channel=types.CHANNEL_SMS, text="\x00")]}, "/content/texts/sms"),
    ],
)
def test_a_rules_mistakes_are_named_by_their_field(fields: dict[str, Any], pointer: str) -> None:
    check_content(content())
    with pytest.raises(InvalidArgument) as caught:
        check_content(content(**fields))
    assert pointer in [each for each, _ in caught.value.violations]


KNOWN = Enrolled(
    {
        "amy": directory.Person(person_id="1", role=types.ROLE_STUDENT, is_active=True, school_ids=["n"]),
        "both": directory.Person(person_id="2", role=types.ROLE_STUDENT, is_active=True, school_ids=["n", "s"]),
        "gone": directory.Person(person_id="3", role=types.ROLE_STUDENT, school_ids=["n"]),
        "tom": directory.Person(person_id="4", role=types.ROLE_TEACHER, is_active=True, school_ids=["n"]),
    },
    {"north": "n", "south": "s"},
)


def row(**fields: Any) -> pb.Absence:
    return pb.Absence(**{"student_sourced_id": "amy", "date": "2026-11-02", "code": " a ", **fields})


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"student_sourced_id": "nobody"}, "/student_sourced_id"),
        ({"student_sourced_id": "gone"}, "/student_sourced_id"),
        ({"student_sourced_id": "tom"}, "/student_sourced_id"),
        ({"student_sourced_id": "both"}, "/school_sourced_id"),
        ({"school_sourced_id": "south"}, "/school_sourced_id"),
        ({"date": "2.11.2026"}, "/date"),
        ({"date": "2026-09-01"}, "/date"),
        ({"date": "2027-03-01"}, "/date"),
        ({"code": ""}, "/code"),
        ({"code": "c" * 21}, "/code"),
        ({"period": "p" * 21}, "/period"),
    ],
)
def test_a_broken_row_names_its_field(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        absence(row(**fields), KNOWN, MONDAY.date(), MONDAY)
    assert [each for each, _ in caught.value.violations] == [pointer]


def test_a_good_row_is_read_in_one_spelling() -> None:
    found = absence(row(period=" 3 "), KNOWN, MONDAY.date(), MONDAY)
    assert (found.student_id, found.school_id, found.code, found.period) == ("1", "n", "A", "3")
    assert found.stated_at == MONDAY
    assert absence(row(student_sourced_id="both", school_sourced_id="south"), KNOWN, MONDAY.date(), MONDAY).school_id
    assert [normal_code(each) for each in ("unx ", "a b", "a,b", "\x07")] == ["UNX", "A B", "", ""]


def test_each_channel_tells_whom_it_has_not_reached() -> None:
    def tried(
        channel: str, person: str, *, codes: str = "UNX", is_first: bool = True, is_reached: bool = True
    ) -> Tried:
        return Tried("amy", tuple(codes.split()), channel, person, is_first, is_reached)

    absent = {"amy": ["UNX"]}
    by_mail = [tried("email", "ann"), tried("email", "bob", is_reached=False)]
    told = frozenset({("email", "amy", "ann")})
    assert left_to_tell(absent, ["email"], []) == Left({"amy": "UNX"})
    assert left_to_tell(absent, ["email"], by_mail[:1]) == Left({})
    assert left_to_tell(absent, ["email"], by_mail) == Left({"amy": "UNX"}, told)
    assert left_to_tell(absent, ["email", "sms"], by_mail[:1]) == Left({"amy": "UNX"}, told)
    corrected = [*by_mail, tried("email", "bob", is_first=False)]
    assert left_to_tell(absent, ["email"], corrected) == Left({})
    # A resend by another channel was for some alone.
    assert left_to_tell(absent, ["sms"], [tried("sms", "bob", is_first=False)]).students == {"amy": "UNX"}
    assert left_to_tell({"amy": ["UNX", "SUS"]}, ["email"], by_mail[:1]) == Left({"amy": "SUS"})
