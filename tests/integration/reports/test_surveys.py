"""Answers to polls and sign-ups: kept in their newest version, shown of those whom a viewer may see."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from protos.events.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import surveys_pb2 as surveys
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.kit.clock import utc_now
from services.kit.errors import InvalidArgument, NotFound
from services.kit.ids import new_id
from services.reports.survey_events import RESPONSES, ResponseEvents
from tests.integration.reports.conftest import (
    NOON,
    NORTH,
    SOUTH,
    Reports,
    counts,
    delivered,
    entry,
    message,
    person,
    submitted,
    withheld,
)


def survey(*, days: int = 1) -> surveys.Survey:
    """Two questions, of two and three options."""
    asked = surveys.Survey()
    for text, options in (("Which evening?", ("Tuesday", "Wednesday")), ("How many?", ("One", "Two", "More"))):
        asked.questions.add(text=text, options=[surveys.Option(text=each) for each in options])
    asked.closes_at.FromDatetime(utc_now() + timedelta(days=days))
    return asked


def poll(by: Viewer | None = None, *, days: int = 1, **fields: Any) -> queue.MessageSnapshot:
    """A poll to people of both schools."""
    asked = entry(types.CHANNEL_POLL, [counts(NORTH, sent=3), counts(SOUTH, sent=2)])
    asked.survey_id, asked.text = asked.entry_id, "Picture day is on Friday.\n\n1. Which evening?\n   - Tuesday"
    asked.survey.CopyFrom(survey(days=days))
    return message(by, entries=[asked], **fields)


def response(number: int, *chosen: int, version: int = 1, school: str = NORTH) -> queue.Response:
    """An answer of somebody of a school."""
    made = queue.Response(number=number, version=version, name=f"Parent {number}", school_id=school, chosen=chosen)
    made.answered_at.FromDatetime(NOON + timedelta(minutes=number))
    return made


async def answered(reports: Reports, asked: queue.MessageSnapshot, *batches: Sequence[queue.Response]) -> None:
    """Tell responses, each batch as an event, all delivered together."""
    told = [
        queue.ResponseRecorded(
            event_id=new_id(), message_id=asked.message_id, survey_id=asked.entries[0].survey_id, responses=each
        )
        for each in batches
    ]
    await ResponseEvents(reports.engine).handle([delivered(("queue.response.recorded.v1", each)) for each in told])


async def results(reports: Reports, viewer: Viewer, entry_id: str, **fields: Any) -> pb.GetSurveyResultsResponse:
    request = pb.GetSurveyResultsRequest(entry_id=entry_id, **fields)
    answer: pb.GetSurveyResultsResponse = await reports.ask(viewer, "GetSurveyResults", request)
    return answer


def listed(answer: pb.GetSurveyResultsResponse) -> list[tuple[str, int]]:
    return [(each.name, each.option) for each in answer.answers]


@pytest.mark.accepts(90, 92, 93)
async def test_answers_so_far_are_counted_and_listed_by_question(reports: Reports) -> None:
    me = person("Tess", "communication_reports")
    asked = poll(me)
    entry_id = asked.entries[0].entry_id
    await reports.hear(submitted(asked))
    empty = await results(reports, me, entry_id)
    assert (list(empty.counts), listed(empty), empty.is_closed) == ([0, 0], [], False)
    await answered(reports, asked, [response(1, 1, 3), response(2, 2, 0), response(3, 2, 1, school=SOUTH)])
    first = await results(reports, me, entry_id)
    assert list(first.counts) == [1, 2]
    assert listed(first) == [("Parent 1", 1), ("Parent 2", 2), ("Parent 3", 2)]
    assert [each.text for each in first.survey.questions] == ["Which evening?", "How many?"]
    assert first.survey.closes_at.ToDatetime() == asked.entries[0].survey.closes_at.ToDatetime()
    second = await results(reports, me, entry_id, question=2)
    assert (second.question, list(second.counts), listed(second)) == (2, [1, 0, 1], [("Parent 1", 3), ("Parent 3", 1)])
    assert (await results(reports, me, entry_id, question=9)).question == 2
    whole = await results(reports, me, entry_id, question=2, is_whole=True)
    assert listed(whole) == [("Parent 1", 3), ("Parent 2", 0), ("Parent 3", 1)]
    assert list(whole.answers[1].chosen) == [2, 0]


async def test_the_newest_version_of_a_response_counts_in_whatever_order_it_comes(reports: Reports) -> None:
    me = person("Tess", "communication_reports")
    asked = poll(me)
    entry_id = asked.entries[0].entry_id
    # Before its message, too.
    await answered(reports, asked, [response(1, 2, 2, version=3)], [response(1, 1, 1, version=2)])
    await reports.hear(submitted(asked))
    await answered(reports, asked, [response(1, 1, 1, version=1), response(2, 1, 1, version=1)])
    found = await results(reports, me, entry_id)
    assert (list(found.counts), listed(found)) == ([1, 1], [("Parent 1", 2), ("Parent 2", 1)])


async def test_as_many_answers_as_come_at_once_are_kept(reports: Reports) -> None:
    me = person("Tess", "communication_reports")
    asked = poll(me)
    await reports.hear(submitted(asked))
    events = [[response(event * 500 + n, 1, 1) for n in range(500)] for event in range(RESPONSES.batch)]
    await answered(reports, asked, *events)
    assert list((await results(reports, me, asked.entries[0].entry_id)).counts) == [10_000, 0]


@pytest.mark.accepts(7, 90)
async def test_only_recipients_in_sight_are_counted_and_listed(reports: Reports) -> None:
    author = person("Ann", "communication_reports", schools=[NORTH], role="teacher")
    asked = poll(author)
    entry_id = asked.entries[0].entry_id
    await reports.hear(submitted(asked))
    await answered(reports, asked, [response(1, 1, 0), response(2, 2, 0, school=SOUTH), response(3, 2, 0, school="")])
    assert len(listed(await results(reports, author, entry_id))) == 3
    officer = person("Off", "communication_reports", "view_all_users")
    assert list((await results(reports, officer, entry_id)).counts) == [1, 2]
    principal = person("Pri", "communication_reports", "view_all_users", schools=[SOUTH])
    seen = await results(reports, principal, entry_id)
    assert (list(seen.counts), listed(seen), seen.page.total_rows) == ([0, 1], [("Parent 2", 2)], 1)
    for stranger in (
        person("Oda", "communication_reports", schools=[NORTH], role="teacher"),
        person("Far", "communication_reports", "view_all_users", schools=[new_id()]),
    ):
        with pytest.raises(NotFound):
            await results(reports, stranger, entry_id)


async def test_answers_come_in_pages_and_in_the_order_asked_for(reports: Reports) -> None:
    me = person("Tess", "communication_reports")
    asked = poll(me)
    entry_id = asked.entries[0].entry_id
    await reports.hear(submitted(asked))
    await answered(reports, asked, [response(number, 1 + number % 2, 0) for number in range(1, 6)])
    page = await results(reports, me, entry_id, page=types.PageRequest(number=2, size=2))
    assert (listed(page), page.page.total_pages) == ([("Parent 3", 2), ("Parent 4", 1)], 3)
    by_response = await results(reports, me, entry_id, sort=types.Sort(column="response", descending=True))
    assert [option for _, option in listed(by_response)] == [2, 2, 2, 1, 1]
    latest = await results(reports, me, entry_id, sort=types.Sort(column="answered", descending=True))
    assert listed(latest)[0] == ("Parent 5", 2)
    with pytest.raises(InvalidArgument):
        await results(reports, me, entry_id, sort=types.Sort(column="school"))


async def test_what_asks_nothing_or_was_withheld_has_no_answers(reports: Reports) -> None:
    me = person("Tess", "communication_reports", "view_all_users", "threat_alerts")
    plain, closed, stopped = message(me), poll(me, days=-1), poll(me)
    await reports.hear(submitted(plain), submitted(closed), submitted(stopped), withheld(stopped))
    assert (await results(reports, me, closed.entries[0].entry_id)).is_closed
    for snapshot in (plain, stopped):
        with pytest.raises(NotFound) as caught:
            await results(reports, me, snapshot.entries[0].entry_id)
        assert caught.value.reason == "SURVEY_NOT_FOUND"
    threat = await reports.ask(me, "GetThreat", pb.GetThreatRequest(message_id=stopped.message_id))
    assert "Which evening?" in threat.text


async def test_an_entry_that_sends_it_again_shows_the_same_answers(reports: Reports) -> None:
    me = person("Tess", "communication_reports")
    asked = poll(me)
    again = queue.MessageSnapshot()
    again.CopyFrom(asked)
    resent = again.entries.add()
    resent.CopyFrom(asked.entries[0])
    resent.entry_id = new_id()
    await reports.hear(submitted(asked), submitted(again))
    await answered(reports, asked, [response(1, 1, 0)])
    assert list((await results(reports, me, resent.entry_id)).counts) == [1, 0]
