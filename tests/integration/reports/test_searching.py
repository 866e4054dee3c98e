"""Filters, rules, sorts and pages over a mixed history (sections C, D and Q)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from protos.events.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.errors import InvalidArgument
from services.reports.domain import COLUMNS
from tests.integration.reports.conftest import NORTH, SOUTH, Reports, counts, entry, message, person, submitted

Rule = types.ColumnRule


@pytest.fixture
def officer() -> Viewer:
    return person("Otto", "communication_reports", "view_all_users")


async def subjects(reports: Reports, viewer: Viewer, **parts: Any) -> list[str]:
    """The subjects found, in alphabetical order."""
    answer = await reports.history(viewer, **parts)
    assert len(answer.rows) == answer.page.total_rows
    return sorted(row.subject for row in answer.rows)


def at(text: str) -> datetime:
    """A moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def send(reports: Reports, *snapshots: queue.MessageSnapshot) -> None:
    await reports.hear(*(submitted(each) for each in snapshots))


async def test_named_messages_are_found_at_once_and_only_those_in_sight(reports: Reports, officer: Viewer) -> None:
    mine, other, foreign = (message(subject=each) for each in ("Mine", "Other", "Foreign"))
    foreign.sender_school_id = foreign.entries[0].counts[0].school_id = SOUTH
    await send(reports, mine, other, foreign)
    named = [mine.message_id, foreign.message_id]
    assert await subjects(reports, officer, message_ids=named) == ["Foreign", "Mine"]
    of_north = person("Nora", "communication_reports", "view_all_users", schools=[NORTH])
    assert await subjects(reports, of_north, message_ids=named) == ["Mine"]


@pytest.mark.accepts(26, 53, 242)
async def test_dates_are_days_of_the_district_and_the_end_is_whole(reports: Reports, officer: Viewer) -> None:
    await send(
        reports,
        message(subject="late on the 9th", sent_at=at("2026-11-10 04:59")),
        message(subject="first of the 10th", sent_at=at("2026-11-10 05:00")),
        message(subject="last of the 10th", sent_at=at("2026-11-11 04:59:59")),
        message(subject="the 11th", sent_at=at("2026-11-11 05:00")),
    )
    both = ["first of the 10th", "last of the 10th"]
    assert await subjects(reports, officer, start_date="2026-11-10", end_date="2026-11-10") == both
    assert await subjects(reports, officer, start_date="2026-11-10") == [*both, "the 11th"]
    assert await subjects(reports, officer, end_date="2026-11-10") == [*both, "late on the 9th"]


@pytest.mark.accepts(27, 28)
async def test_times_are_of_every_day_and_may_cross_midnight(reports: Reports, officer: Viewer) -> None:
    await send(
        reports,
        message(subject="a 08:00 winter", sent_at=at("2026-11-10 13:00")),
        message(subject="b 09:00:40 winter", sent_at=at("2026-11-11 14:00:40")),
        message(subject="c 09:01 winter", sent_at=at("2026-11-11 14:01")),
        message(subject="d 08:30 summer", sent_at=at("2026-07-10 12:30")),
        message(subject="e 23:30", sent_at=at("2026-11-12 04:30")),
        message(subject="f 05:00", sent_at=at("2026-11-12 10:00")),
    )
    morning = await subjects(reports, officer, start_time="08:00", end_time="09:00")
    assert [each[0] for each in morning] == ["a", "b", "d"]
    assert [each[0] for each in await subjects(reports, officer, start_time="22:00", end_time="06:00")] == ["e", "f"]
    assert [each[0] for each in await subjects(reports, officer, start_time="09:01")] == ["c", "e"]
    assert [each[0] for each in await subjects(reports, officer, end_time="05:00")] == ["f"]


@pytest.mark.accepts(21, 22, 23, 25, 29, 30)
async def test_filters_combine_with_and_their_values_with_or(reports: Reports, officer: Viewer) -> None:
    def on(channel: int, school: str) -> list[queue.EntrySnapshot]:
        return [entry(channel, [counts(school, sent=1)])]

    await send(
        reports,
        message(subject="a", entries=on(types.CHANNEL_EMAIL, NORTH), is_secure=True),
        message(subject="b", entries=on(types.CHANNEL_SMS, NORTH)),
        message(subject="c emergency", entries=on(types.CHANNEL_EMAIL, NORTH)),
        message(subject="d", school=SOUTH, entries=on(types.CHANNEL_TTS, SOUTH), is_emergency=True),
        message(subject="e", school=SOUTH, entries=on(types.CHANNEL_EMAIL, SOUTH), is_emergency=True),
    )
    found = await subjects(reports, officer, channels=[types.CHANNEL_SMS, types.CHANNEL_TTS])
    assert found == ["b", "d"]
    assert await subjects(reports, officer, channels=[types.CHANNEL_SMS, types.CHANNEL_TTS], school_ids=[NORTH]) == [
        "b"
    ]
    assert await subjects(reports, officer, is_secure=True) == ["a"]
    assert await subjects(reports, officer, is_emergency=True) == ["d"]
    assert len(await subjects(reports, officer)) == 5
    rows = (await reports.history(officer)).rows
    assert {row.subject for row in rows if row.is_emergency} == {"d"}


@pytest.mark.accepts(40, 41, 42, 52)
async def test_a_row_for_each_channel_with_the_senders_own_name(reports: Reports, officer: Viewer) -> None:
    channels = (types.CHANNEL_EMAIL, types.CHANNEL_SMS, types.CHANNEL_TTS, types.CHANNEL_RECORDED)
    sent = message(
        source=types.SOURCE_DISTRICT,
        from_title="Lantern Valley Schools",
        entries=[entry(each, [counts(NORTH, sent=each)]) for each in channels],
    )
    await send(reports, sent)
    rows = (await reports.history(officer)).rows
    assert {row.channel: row.counts.sent for row in rows} == {each: each for each in channels}
    assert {row.message_id for row in rows} == {sent.message_id}
    assert {(getattr(row, "from"), row.source, row.to) for row in rows} == {
        ("Tess Teacher", types.SOURCE_DISTRICT, "All parents")
    }


@pytest.mark.accepts(231)
async def test_an_excluded_schools_title_stands_under_from(reports: Reports, officer: Viewer) -> None:
    await send(reports, message(from_title="Ridge High", is_from_excluded_school=True))
    assert getattr((await reports.history(officer)).rows[0], "from") == "Ridge High"


@pytest.mark.parametrize(
    ("column", "operator", "value", "found"),
    [
        ("message", Rule.OPERATOR_CONTAINS, "100%", "a"),
        ("message", Rule.OPERATOR_CONTAINS, "0_", ""),
        ("message", Rule.OPERATOR_NOT_CONTAINS, "PICTURE", "ab"),
        ("from", Rule.OPERATOR_EQUALS, "tess teacher", "bc"),
        ("from", Rule.OPERATOR_NOT_EQUALS, "Tess Teacher", "a"),
        ("regarding_student", Rule.OPERATOR_EMPTY, "", "bc"),
        ("regarding_student", Rule.OPERATOR_NOT_EMPTY, "", "a"),
        ("total", Rule.OPERATOR_GREATER, "9", "b"),
        ("total", Rule.OPERATOR_LESS, "10", "ac"),
        ("errors", Rule.OPERATOR_EQUALS, "2", "b"),
        ("pending", Rule.OPERATOR_NOT_EQUALS, "0", "c"),
        ("date", Rule.OPERATOR_EQUALS, "2026-11-10", "ac"),
        ("date", Rule.OPERATOR_GREATER, "2026-11-10", "b"),
        ("secure", Rule.OPERATOR_EQUALS, "yes", "a"),
        ("secure", Rule.OPERATOR_EMPTY, "", "bc"),
        ("type", Rule.OPERATOR_CONTAINS, "mail", "abc"),
    ],
)
@pytest.mark.accepts(216, 223)
async def test_a_rule_on_a_column(
    reports: Reports, officer: Viewer, column: str, operator: Rule.Operator.ValueType, value: str, found: str
) -> None:
    student = queue.StudentReference(student_id="s", name="Amy Stone", number="1")
    email = types.CHANNEL_EMAIL
    await send(
        reports,
        message(
            subject="a 100% of it", body="x", sender_name="Ada", is_secure=True, regarding=[student], regarding_count=1,
            entries=[entry(email, [counts(NORTH, sent=9)])],
        ),
        message(
            subject="b", body="x", sent_at=at("2026-11-11 17:00"),
            entries=[entry(email, [counts(NORTH, sent=6, error=1), counts(SOUTH, sent=2, error=1)])],
        ),
        message(subject="c picture", body="x", entries=[entry(email, [counts(NORTH, pending=1, held=1)])]),
    )  # fmt: skip
    rules = [Rule(column=column, operator=operator, value=value)]
    assert "".join(each[0] for each in await subjects(reports, officer, rules=rules)) == found


@pytest.mark.accepts(221)
@pytest.mark.parametrize("column", [each for each in COLUMNS if each != "acknowledge"])
async def test_every_sort_covers_the_whole_and_pages_never_overlap(
    reports: Reports, officer: Viewer, column: str
) -> None:
    # Ten and nine would change places as text; equal values must keep their order from page to page.
    await send(
        reports,
        *(
            message(subject="same", entries=[entry(types.CHANNEL_EMAIL, [counts(NORTH, sent=number)])])
            for number in (9, 10, 1, 10, 2, 10, 0)
        ),
    )
    for descending in (False, True):
        sort = types.Sort(column=column, descending=descending)
        whole = [row.entry_id for row in (await reports.history(officer, sort=sort)).rows]
        pages = []
        for number in (1, 2, 3, 4):
            answer = await reports.history(officer, sort=sort, page=types.PageRequest(number=number, size=2))
            pages += [row.entry_id for row in answer.rows]
        assert pages == whole
        assert len(set(whole)) == 7
    ordered = await reports.history(officer, sort=types.Sort(column="sent"))
    assert [row.counts.sent for row in ordered.rows] == [0, 1, 2, 9, 10, 10, 10]


@pytest.mark.accepts(211, 212)
async def test_a_page_past_the_end_is_the_last_one(reports: Reports, officer: Viewer) -> None:
    assert (await reports.history(officer)).page.total_pages == 1
    await send(reports, *(message() for _ in range(21)))
    first = await reports.history(officer)
    assert (len(first.rows), first.page.size, first.page.total_pages, first.page.total_rows) == (20, 20, 2, 21)
    last = await reports.history(officer, page=types.PageRequest(number=99))
    assert (len(last.rows), last.page.number) == (1, 2)


@pytest.mark.accepts(84, 222)
async def test_arrows_follow_sort_and_filter(reports: Reports, officer: Viewer) -> None:
    await send(reports, *(message(subject=name, is_secure=name != "c") for name in ("b", "d", "a", "c", "e")))
    sort = types.Sort(column="message")
    rows = (await reports.history(officer, is_secure=True, sort=sort)).rows
    walked: list[str] = []
    entry_id = rows[0].entry_id
    while entry_id:
        request = pb.GetEntryRequest(entry_id=entry_id, filter=pb.Filter(is_secure=True), sort=sort)
        answer = await reports.ask(officer, "GetEntry", request)
        assert answer.previous_entry_id == (walked[-1] if walked else "")
        walked.append(entry_id)
        entry_id = answer.next_entry_id
    assert walked == [row.entry_id for row in rows]


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ({"start_date": "10.11.2026"}, "/filter/start_date"),
        ({"end_date": "0001-01-01"}, "/filter/end_date"),
        ({"start_time": "25:00"}, "/filter/start_time"),
        ({"school_ids": ["north"]}, "/filter/school_ids/0"),
        ({"message_ids": ["1"]}, "/filter/message_ids/0"),
        ({"channels": [99]}, "/filter/channels/0"),
        ({"rules": [Rule(column="age", operator=Rule.OPERATOR_CONTAINS, value="1")]}, "/filter/rules/0/column"),
        ({"rules": [Rule(column="sent", operator=Rule.OPERATOR_CONTAINS, value="1")]}, "/filter/rules/0/operator"),
        ({"rules": [Rule(column="sent", operator=Rule.OPERATOR_GREATER, value="one")]}, "/filter/rules/0/value"),
        ({"rules": [Rule(column="from", operator=Rule.OPERATOR_CONTAINS, value="\x00")]}, "/filter/rules/0/value"),
        ({"sort": types.Sort(column="age")}, "/sort/column"),
        ({"page": types.PageRequest(size=501)}, "/page/size"),
        ({"page": types.PageRequest(number=-1)}, "/page/number"),
    ],
)
async def test_what_cannot_be_read_is_named(
    reports: Reports, officer: Viewer, parts: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await reports.history(officer, **parts)
    assert [each.pointer for each in refusal.value.violations] == [pointer]


async def test_threats_have_no_flagged_filter(reports: Reports) -> None:
    with pytest.raises(InvalidArgument):
        await reports.threats(person("Lee", "threat_alerts"), is_flagged=True)
