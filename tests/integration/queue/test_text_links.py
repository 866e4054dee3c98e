"""Texts and push beside a poll or a sign-up: each recipient's own link, its length, and for whom it answers."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.kit.auth import Caller
from services.kit.errors import InvalidArgument
from services.queue import preview_words
from services.queue.actions import previewing
from services.queue.actions.answering import Answering, Who
from services.queue.actions.standing import Standing
from services.queue.actions.submit import Submission
from services.queue.domain import MAX_TEXT, Channel
from services.queue.inviting import Invitations
from services.queue.links import Links
from services.queue.records import Addressees, Draft
from services.queue.surveys import LINK_ROOM, Option, Question, Survey
from tests.integration.queue.conftest import ANSWERS_SECRET, Queue, draft, person
from tests.support.vendors import VendorSimulator

URL = "https://lantern.example.org/answer"
LINK = re.compile(rf"\n{URL}/([\w-]{{55}})$")
SERVICE = Caller("reports", frozenset())


def asking(queue: Queue, text: str = "Please choose.", **fields: Any) -> Draft:
    survey = Survey(
        Channel.POLL,
        [Question("Which evening?", [Option("Tuesday"), Option("Wednesday")])],
        queue.clock() + timedelta(days=2),
    )
    return draft(channels=[("poll", ""), ("sms", text), ("push", "Please choose.")], survey=survey, **fields)


async def texts(queue: Queue, vendors: VendorSimulator, **settings: Any) -> dict[str, str]:
    """Send what is due; return the texts by number."""
    await queue.drain(queue.dispatcher(**settings))
    return {each["to"]: each["text"] for each in vendors.arrivals(channel="sms")}


def signed(text: str) -> str:
    found = LINK.search(text)
    assert found, text
    return found[1]


async def test_each_text_has_its_recipients_own_link(queue: Queue, vendors: VendorSimulator) -> None:
    await queue.submit(asking(queue), [person(1), person(2, email="")])
    found = await texts(queue, vendors)
    assert found[person(1).mobile].startswith("Please choose.\nYour answer about Child 1:\n")
    answering = Answering(queue.engine, queue.clock, Links(ANSWERS_SECRET))
    form = await answering.answer(SERVICE, Who(link=signed(found[person(2).mobile])), [2])
    assert (form.number, list(form.chosen)) == (2, [2])
    assert list((await answering.show(SERVICE, Who(link=signed(found[person(1).mobile])))).chosen) == [0]


async def test_a_push_message_opens_its_recipients_own_link(queue: Queue, vendors: VendorSimulator) -> None:
    await queue.submit(asking(queue), [person(1, devices="phone-1")])
    await queue.drain(queue.dispatcher())
    sent = json.loads(vendors.arrivals(channel="push")[0]["details"]["payload"])
    assert sent["notification"]["body"] == "Please choose."
    link = sent["data"]["link"].removeprefix(f"{URL}/")
    form = await Answering(queue.engine, queue.clock, Links(ANSWERS_SECRET)).answer(SERVICE, Who(link=link), [1])
    assert (form.number, list(form.chosen)) == (1, [1])


async def test_two_numbers_of_one_address_answer_as_one(queue: Queue, vendors: VendorSimulator) -> None:
    both = [person(1, email="family@example.org"), person(2, email="Family@example.org")]
    await queue.submit(asking(queue, once_per_family=True), both)
    found = await texts(queue, vendors)
    assert len(found) == 2
    answering = Answering(queue.engine, queue.clock, Links(ANSWERS_SECRET))
    for number, chosen in ((2, 1), (1, 2)):
        form = await answering.answer(SERVICE, Who(link=signed(found[person(number).mobile])), [chosen])
        assert form.number == 1
    assert [row[0] for row in await queue.rows("SELECT taken FROM survey_options ORDER BY option")] == [0, 1]


async def test_families_with_the_same_useless_address_answer_each_for_themselves(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await queue.submit(asking(queue, once_per_family=True), [person(n, email="None") for n in (1, 2)])
    poll = done.snapshot.entries[0]
    assert await queue.counts(poll.entry_id) == {"total": 2, "error": 2}
    found = await texts(queue, vendors)
    answering = Answering(queue.engine, queue.clock, Links(ANSWERS_SECRET))
    change = "UPDATE outcomes SET state = :state WHERE entry_id = :poll AND number = 2 RETURNING number"
    # Earlier versions wrote that the second is a duplicate.
    for state in ("duplicate", "error"):
        await queue.rows(change, state=state, poll=poll.entry_id)
        for number in (1, 2):
            form = await answering.answer(SERVICE, Who(link=signed(found[person(number).mobile])), [number])
            assert form.number == number


async def test_a_text_leaves_room_for_its_link_and_names_of_any_length_fit(
    queue: Queue, vendors: VendorSimulator
) -> None:
    longest = MAX_TEXT[Channel.SMS] - LINK_ROOM
    with pytest.raises(InvalidArgument):
        await queue.submit(asking(queue, "x" * (longest + 1)), [person(1)])
    await queue.submit(asking(queue, "x" * longest), [person(1, regarding_student_name="N" * 300)])
    (text,) = (await texts(queue, vendors)).values()
    assert signed(text)
    assert len(text) <= MAX_TEXT[Channel.SMS]


async def test_texts_end_when_the_poll_closes(queue: Queue, vendors: VendorSimulator) -> None:
    await queue.submit(asking(queue), [person(1)])
    queue.clock.ahead = timedelta(days=2, seconds=1)
    assert await texts(queue, vendors) == {}


async def test_a_preview_counts_the_segments_of_the_link(queue: Queue) -> None:
    message = asking(queue, "Please choose an evening for your talk with the teachers.")
    standing = Standing(message.sender, "Lincoln High", is_excluded=False, is_screened=False)
    invitations = Invitations(URL, Links(ANSWERS_SECRET), "America/New_York")

    async def pieces() -> AsyncIterator[Addressees]:
        yield Addressees.of([person(1)])

    submission = Submission(message, "test", standing)
    _, sms, push = await previewing.preview(queue.engine, queue.clock, submission, pieces(), None, invitations)
    assert preview_words.channel_preview(sms, preview_words.FREE).segments == 2
    assert LINK.search(sms.below)
    assert push.below == ""
