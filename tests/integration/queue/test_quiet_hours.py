"""Quiet hours on a real queue: what waits, what passes, what comes late, and what a preview says of it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.kit.auth import Caller
from services.queue.actions import previewing, upkeep
from services.queue.actions.consenting import record_inbound
from services.queue.actions.quieting import keep_hours
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.actions.standing import KnownSchool, Standing
from services.queue.actions.submit import Submission
from services.queue.domain import Channel, Lane, State
from services.queue.preview_words import FREE, Prices, channel_preview
from services.queue.quiet import QuietHours
from services.queue.records import Addressee, Addressees, Draft
from services.queue.surveys import Option, Question, Survey
from tests.integration.queue.conftest import Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.support.vendors import VendorSimulator

SMS = [("sms", "School is closed.")]
ZONE = "America/New_York"
HOUR = timedelta(hours=1)
SERVICE = Caller("test", frozenset())


async def _at(queue: Queue, clock: time) -> datetime:
    """Move the queue's time to the next day's time on New York's clock, and return it."""
    day = (datetime.now(UTC) + timedelta(days=1)).astimezone(ZoneInfo(ZONE)).date()
    moment = datetime.combine(day, clock, ZoneInfo(ZONE)).astimezone(UTC)
    queue.clock.ahead = moment - datetime.now(UTC)
    return moment


async def _quiet(queue: Queue, *school_ids: str) -> None:
    hours = QuietHours(ZONE, time(21), time(7))
    known = {each: KnownSchool(each, is_excluded=False, quiet=hours) for each in school_ids}
    await keep_hours(queue.engine, {"school-3": KnownSchool("Ridge", is_excluded=False), **known})


async def _preview(queue: Queue, message: Draft, people: Sequence[Addressee]) -> list[previewing.ChannelPreview]:
    async def pieces() -> AsyncIterator[Addressees]:
        yield Addressees.of(people)

    standing = Standing(message.sender, "Lincoln High", is_excluded=False, is_screened=False)
    return await previewing.preview(queue.engine, queue.clock, Submission(message, "test", standing), pieces())


@pytest.mark.accepts(307)
async def test_texts_wait_for_the_morning_of_their_school(queue: Queue, vendors: VendorSimulator) -> None:
    await _quiet(queue, "school-1")
    people = [person(n) for n in range(1, 5)]
    night = await _at(queue, time(22, 30))
    message = draft(channels=[("email", ""), *SMS])
    email, text = await _preview(queue, message, people)
    assert (email.goes_out, email.waiting) == (4, 0)
    assert (text.goes_out, text.waiting) == (4, 2)
    morning = (night.astimezone(ZoneInfo(ZONE)) + timedelta(hours=8, minutes=30)).replace(minute=0)
    assert text.waits_until == morning
    done = await queue.submit(message, people)
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    by_channel = {each.channel: each.entry_id for each in done.snapshot.entries}
    left = await queue.rows("SELECT channel, school_id, due_at FROM batches")
    assert [tuple(row) for row in left] == [("sms", "school-1", morning)]
    assert vendors.counts()["total"] == 6
    await _at(queue, time(22, 30))
    queue.clock.ahead += timedelta(hours=8, minutes=31)
    await queue.drain(dispatcher)
    assert vendors.counts()["total"] == 8
    assert (await queue.counts(by_channel[Channel.SMS]))["pending"] == 4


@pytest.mark.accepts(60, 307)
async def test_a_preview_says_whom_quiet_hours_hold_back_until_it_is_of_no_use(queue: Queue) -> None:
    await _quiet(queue, "school-1")
    night = await _at(queue, time(22, 30))
    (text,) = await _preview(queue, draft(channels=SMS, expires_at=night + timedelta(hours=2)), [person(1), person(2)])
    assert (text.goes_out, text.waiting, dict(text.left_out)["OF_NO_USE"]) == (1, 0, 1)


@pytest.mark.accepts(60, 307)
async def test_a_preview_says_whom_quiet_hours_hold_back_until_a_poll_closes(queue: Queue) -> None:
    night = await _at(queue, time(20, 30))
    survey = Survey(Channel.POLL, [Question("Which day?", [Option("Monday"), Option("Friday")])], night + HOUR * 4)
    message = draft(channels=[("poll", ""), *SMS], survey=survey)
    people = [person(1), person(2)]
    done = await queue.submit(message, [each._replace(mobile="") for each in people])
    await _quiet(queue, "school-1", "school-2")
    queue.clock.ahead += HOUR * 2
    poll, text = await _preview(queue, message, people)
    assert (poll.goes_out, text.goes_out, text.waiting, dict(text.left_out)) == (2, 0, 0, {"OF_NO_USE": 2})
    wanted = Resend("", b"", done.snapshot.entries[1].entry_id, [State.ERROR], None)
    text = await previewing.preview_resend(queue.engine, queue.clock, SERVICE, wanted, told(*people))
    assert (text.goes_out, text.waiting, dict(text.left_out)) == (0, 0, {"OF_NO_USE": 2})


@pytest.mark.accepts(307)
async def test_emergencies_and_alerts_pass(queue: Queue, vendors: VendorSimulator) -> None:
    await _quiet(queue, "school-1", "school-2")
    await _at(queue, time(23))
    await queue.submit(draft(channels=SMS, lane=Lane.ALERT), [person(1)])
    await queue.submit(draft(channels=[("tts", "Stay inside.")], is_emergency=True), [person(2, phones="+12125550123")])
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == 2
    assert await queue.rows("SELECT 1 FROM batches") == []


@pytest.mark.accepts(307)
async def test_what_comes_due_in_the_night_is_put_off(queue: Queue, vendors: VendorSimulator) -> None:
    """A backlog, a late release, a redial, hours that were set meanwhile: all are claimed in the night."""
    night = await _at(queue, time(22))
    await queue.submit(draft(channels=SMS), [person(1), person(2)])
    await _quiet(queue, "school-1", "school-2")
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    assert vendors.counts()["total"] == 0
    waiting = await queue.rows("SELECT due_at - CAST(:night AS timestamptz), state, attempt FROM batches", night=night)
    assert {tuple(row) for row in waiting} == {(timedelta(hours=9), "pending", 1)}
    await _quiet(queue)
    queue.clock.ahead += timedelta(hours=9, seconds=1)
    await queue.drain(dispatcher)
    assert vendors.counts()["total"] == 2


@pytest.mark.accepts(60, 307)
async def test_nothing_expires_while_it_waits(queue: Queue) -> None:
    await _quiet(queue, "school-1")
    night = await _at(queue, time(21, 30))
    done = await queue.submit(draft(channels=[("tts", "Hello.")]), [person(2, phones="+12125550123")])
    entry = done.snapshot.entries[0]
    assert entry.expires_at - night == timedelta(hours=17, minutes=30)
    queue.clock.ahead += timedelta(hours=9)
    assert await upkeep.expire(queue.engine, queue.clock) == 0
    queue.clock.ahead += timedelta(hours=9)
    assert await upkeep.expire(queue.engine, queue.clock) == 1
    await _at(queue, time(21, 30))
    wanted = Resend("again", b"h", entry.entry_id, [State.EXPIRED], None)
    again, _ = await resend(queue.engine, queue.clock, SERVICE, wanted, told())
    due = await queue.rows("SELECT due_at, expires_at FROM batches WHERE entry_id = :entry_id", entry_id=again)
    assert due[0][0] - night == timedelta(hours=9, minutes=30)
    assert due[0][1] - night == timedelta(hours=17, minutes=30)


@pytest.mark.accepts(60, 307)
async def test_a_call_that_waited_until_quiet_hours_began_rings_in_the_morning(
    queue: Queue, vendors: VendorSimulator
) -> None:
    await _quiet(queue, "school-1")
    evening = await _at(queue, time(20, 50))
    message = draft(channels=[("tts", "Hello.")])
    await queue.submit(message, [person(2)])
    queue.clock.ahead += timedelta(minutes=15)
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    (waits,) = await queue.rows("SELECT due_at FROM batches")
    assert waits[0] - evening == timedelta(hours=10, minutes=10)
    queue.clock.ahead += timedelta(hours=10)
    assert await upkeep.expire(queue.engine, queue.clock) == 0
    await queue.drain(dispatcher)
    assert vendors.counts()["total"] == 1


@pytest.mark.accepts(306)
async def test_a_preview_says_who_is_left_out_and_writes_nothing(queue: Queue) -> None:
    await record_inbound(queue.engine, queue.clock, "SM1", "+12125550103", "STOP")
    people = [
        person(1, mobile="+12125550101"),
        person(2, mobile="+12125550101"),
        person(3, mobile="+12125550103"),
        person(4, mobile="12"),
        person(5, mobile="", email=""),
    ]
    message = draft(channels=[*SMS, ("email", ""), ("push", "")], once_per_family=True)
    text, email, push = await _preview(queue, message, people)
    assert (text.goes_out, dict(text.left_out)) == (
        1, {"DUPLICATE": 1, "STOPPED": 1, "INVALID_NUMBER": 1, "NO_NUMBER": 1}
    )  # fmt: skip
    assert (email.goes_out, email.inbox_only, dict(email.left_out)) == (4, 1, {})
    assert dict(push.left_out) == {"NO_DEVICE": 5}
    assert push.left_out.names["NO_DEVICE"][:2] == ["Parent 1, about Child 1", "Parent 2, about Child 2"]
    assert {key: names for key, names in text.left_out.names.items() if key in ("DUPLICATE", "STOPPED")} == {
        "DUPLICATE": ["Parent 2, about Child 2"], "STOPPED": ["Parent 3, about Child 3"]
    }  # fmt: skip
    said = channel_preview(text, Prices(segment=0.0079, minute=0.014))
    assert [each.sentence for each in said.left_out if each.reason == "STOPPED"] == [
        "The family asked for no such messages."
    ]
    assert (said.segments, said.is_unicode, said.price_cents) == (1, False, 1)
    assert [list(each.names) for each in said.left_out if each.reason == "STOPPED"] == [["Parent 3, about Child 3"]]
    many = [person(n, mobile="") for n in range(1, 71)]
    (nobody,) = channel_preview((await _preview(queue, draft(channels=SMS), many))[0], FREE).left_out
    assert (nobody.count, len(nobody.names), nobody.names[49]) == (70, 50, "Parent 50, about Child 50")
    call = previewing.ChannelPreview(Channel.TTS, "word " * 160, goes_out=100)
    assert (channel_preview(call, Prices(0.0, 0.014)).minutes, channel_preview(call, FREE).price_cents) == (2, 0)
    assert channel_preview(call, Prices(0.0, 0.014)).price_cents == 280
    assert channel_preview(replace(call, channel=Channel.RECORDED, seconds=59.0), FREE).minutes == 1
    assert await queue.rows("SELECT 1 FROM messages") == []
    # What it says is what submit does.
    done = await queue.submit(message, people)
    counted = [await queue.counts(each.entry_id) for each in done.snapshot.entries]
    assert counted[0] == {"total": 5, "pending": 1, "duplicate": 1, "opted_out": 1, "error": 2}
