"""Sending again by a channel that the message never used: what holds for a first send holds (statement 305)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, timedelta

import pytest

from protos.events.v1 import queue_pb2 as events
from protos.events.v1 import settings_pb2 as settings
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer
from services.kit.errors import FailedPrecondition, PermissionDenied
from services.kit.ids import new_id
from services.queue import events_out
from services.queue.actions import previewing, rescreening, resendable, upkeep
from services.queue.actions.consenting import record_inbound
from services.queue.actions.dispatch import claim, send
from services.queue.actions.resendable import FromDirectory, Resend
from services.queue.actions.resending import resend
from services.queue.actions.standing import KnownSchool
from services.queue.actions.submit import Submitted
from services.queue.domain import Channel, Lane, State
from services.queue.records import Addressee, Draft, Receipt
from services.queue.settings_out import SETTING_CHANGED
from services.queue.surveys import Option, Question, Survey
from tests.integration.queue.conftest import PUPIL, Queue, draft, person
from tests.integration.queue.from_directory import SCHOOLS, SERVICE, told
from tests.integration.queue.test_releasing import review, verdict
from tests.integration.queue.test_rescreening import period
from tests.integration.queue.test_translating import CLOSED, SPANISH, Translator, translator
from tests.support.vendors import VendorSimulator

__all__ = ["translator"]


def seer(*permissions: str, schools: frozenset[str] = frozenset({"*"})) -> Caller:
    """An administrator with these permissions who sees all users."""
    held = frozenset({"view_all_users", *permissions})
    return Caller("admin-1", frozenset(), Viewer("admin-1", "Ada North", "admin", held, schools, all_users=True))


async def bounced(queue: Queue, people: Sequence[Addressee], message: Draft | None = None) -> Submitted:
    """Submit an e-mail to people of whom only these have no usable address."""
    unreachable = [each._replace(email="", invalid_email="x", has_account=False) for each in people]
    return await queue.submit(message or draft(), [*unreachable, person(100)])


async def again(
    queue: Queue, done: Submitted, channel: Channel, said: FromDirectory, caller: Caller = SERVICE
) -> tuple[str, int]:
    entry_id = done.snapshot.entries[0].entry_id
    wanted = Resend(new_id(), b"h", entry_id, [State.ERROR], channel)
    return await resend(queue.engine, queue.clock, caller, wanted, said)


async def refusal(queue: Queue, done: Submitted, channel: Channel, said: FromDirectory) -> str:
    """Return what is said of a channel in the list of ways, which is what trying it answers."""
    entry_id = done.snapshot.entries[0].entry_id
    listed = dict(await resendable.ways_of(queue.engine, queue.clock, SERVICE, entry_id, said))
    with pytest.raises(FailedPrecondition) as caught:
        await again(queue, done, channel, said)
    assert listed[channel] == caught.value.message
    return caught.value.message


@pytest.mark.accepts(305)
@pytest.mark.parametrize(("channel", "arrives"), [("sms", "sms"), ("tts", "voice"), ("push", "push")])
async def test_an_e_mail_that_bounced_goes_out_by_another_channel(
    queue: Queue, vendors: VendorSimulator, channel: str, arrives: str
) -> None:
    people = [person(n, devices=f"token-{n}") for n in (1, 2)]
    done = await bounced(queue, people)
    entry_id, resent = await again(queue, done, Channel(channel), told(*people))
    assert resent == 2
    await queue.drain(queue.dispatcher())
    assert [each["text"] for each in vendors.arrivals(channel=arrives)] == ["Picture day is on Friday."] * 2
    rows = await queue.rows("SELECT number, name, regarding_student_name FROM recipients WHERE entry_id = :id"
                            " ORDER BY number", id=entry_id)  # fmt: skip
    assert [tuple(row) for row in rows] == [(1, "Parent 1", "Child 1"), (2, "Parent 2", "Child 2")]
    (link,) = await queue.rows("SELECT resend_of::text, message_type FROM entries WHERE entry_id = :id", id=entry_id)
    assert tuple(link) == (done.snapshot.entries[0].entry_id, "announcement")
    with pytest.raises(FailedPrecondition, match="not sent already"):
        await again(queue, done, Channel(channel), told(*people))


@pytest.mark.accepts(305, 306, 311)
async def test_who_has_no_contact_is_left_out_and_who_wants_none_is_opted_out(queue: Queue) -> None:
    stopped, landline, nothing, gone, listed, fine = [person(n) for n in range(1, 7)]
    nothing, listed = nothing._replace(mobile=""), listed._replace(person_id="", type=2)
    done = await bounced(queue, [stopped, landline, nothing, gone, listed, fine])
    await record_inbound(queue.engine, queue.clock, "SM1", stopped.mobile, "STOP")
    said = told(stopped, landline, nothing, fine)
    entry = done.snapshot.entries[0]
    wanted = Resend("", b"", entry.entry_id, [State.ERROR], Channel.SMS)
    preview = await previewing.preview_resend(queue.engine, queue.clock, SERVICE, wanted, said)
    assert (preview.goes_out, dict(preview.left_out)) == (2, {"STOPPED": 1, "NO_NUMBER": 1, "UNLISTED": 2})
    entry_id, resent = await again(queue, done, Channel.SMS, said)
    assert resent == 3
    assert await queue.counts(entry_id) == {"total": 3, "pending": 2, "opted_out": 1}


@pytest.mark.accepts(305)
async def test_an_address_that_was_corrected_is_written_to_by_the_same_channel(
    queue: Queue, vendors: VendorSimulator
) -> None:
    right, wrong = person(1), person(2)
    done = await bounced(queue, [right, wrong])
    said = told(right, wrong._replace(email="", invalid_email="x", has_account=False))
    assert (await again(queue, done, Channel.EMAIL, said))[1] == 1
    await queue.drain(queue.dispatcher())
    assert sorted(each["to"] for each in vendors.arrivals(channel="email")) == [
        "parent100@example.org",
        "parent1@example.org",
    ]


@pytest.mark.accepts(305, 72)
async def test_once_per_family_holds_for_the_numbers_of_now(queue: Queue, vendors: VendorSimulator) -> None:
    mother, father = person(1), person(2, mobile=person(1).mobile)
    done = await bounced(queue, [mother, father], draft(once_per_family=True))
    assert (await again(queue, done, Channel.SMS, told(mother, father)))[1] == 1
    await queue.drain(queue.dispatcher())
    assert len(vendors.arrivals(channel="sms")) == 1


@pytest.mark.accepts(305, 225, 227)
async def test_schools_that_may_not_be_written_to_are_left_out(queue: Queue) -> None:
    here, there = person(2), person(1)
    assert (here.school_id, there.school_id) == ("school-1", "school-2")
    done = await bounced(queue, [here, there])
    excluded = {**SCHOOLS, "school-2": KnownSchool("Ridge", is_excluded=True)}
    wanted = Resend("", b"", done.snapshot.entries[0].entry_id, [State.ERROR], Channel.PUSH)
    both = [replace_device(each) for each in (here, there)]
    preview = await previewing.preview_resend(queue.engine, queue.clock, SERVICE, wanted, told(*both, schools=excluded))
    assert (preview.goes_out, dict(preview.left_out)) == (1, {"EXCLUDED": 1})
    near = seer("send_messages", schools=frozenset({"school-1"}))
    preview = await previewing.preview_resend(queue.engine, queue.clock, near, wanted, told(*both, caller=near))
    assert (preview.goes_out, dict(preview.left_out)) == (1, {"OUT_OF_REACH": 1})


def replace_device(each: Addressee) -> Addressee:
    return each._replace(devices=f"token-{each.person_id}")


@pytest.mark.accepts(305)
async def test_a_channel_that_the_text_does_not_fit_says_so(queue: Queue) -> None:
    short = await bounced(queue, [person(1)])
    long = await bounced(queue, [person(1)], draft(body="x" * 1_601))
    empty = await bounced(queue, [person(1)], draft(body=""))
    written = await bounced(queue, [person(1)], draft(sender=PUPIL))
    off = told(person(1), modules={"call_out": False})
    assert await refusal(queue, short, Channel.RECORDED, told(person(1))) == "There is no recording to play."
    assert await refusal(queue, long, Channel.SMS, told(person(1))) == "Its text has 1,601 characters; 1,600 fit."
    assert await refusal(queue, empty, Channel.PUSH, told(person(1))) == "There is no text for it."
    assert "Call Out System is off" in await refusal(queue, short, Channel.TTS, off)
    with pytest.raises(FailedPrecondition, match="asks nothing"):
        await again(queue, short, Channel.POLL, told(person(1)))
    unscreened = told(person(1), modules={"call_out": True, "moderation_api": False})
    assert await refusal(queue, written, Channel.TTS, unscreened) == "Calls are for what staff wrote."
    with pytest.raises(FailedPrecondition, match="screening was off"):
        await again(queue, written, Channel.SMS, told(person(1)))


@pytest.mark.accepts(305)
async def test_a_text_of_what_asks_carries_the_link_and_ends_with_it(queue: Queue, vendors: VendorSimulator) -> None:
    closes_at = queue.clock() + timedelta(hours=3)
    survey = Survey(Channel.POLL, [Question("Which day?", [Option("Monday"), Option("Friday")])], closes_at)
    done = await bounced(queue, [person(1)], draft(channels=[("poll", "")], survey=survey))
    long = await bounced(queue, [person(1)], draft(body="x" * 1_301, channels=[("poll", "")], survey=survey))
    assert await refusal(queue, long, Channel.SMS, told(person(1))) == "Its text has 1,301 characters; 1,300 fit."
    assert "by e-mail already" in await refusal(queue, done, Channel.EMAIL, told(person(1)))
    entry_id, _ = await again(queue, done, Channel.SMS, told(person(1)))
    await queue.drain(queue.dispatcher())
    (text,) = [each["text"] for each in vendors.arrivals(channel="sms")]
    assert text.startswith("Picture day is on Friday.\nYour answer about Child 1:\nhttps://lantern.example.org/answer/")
    rows = await queue.rows("SELECT expires_at = :at FROM entries WHERE entry_id = :id", at=closes_at, id=entry_id)
    assert rows == [(True,)]
    queue.clock.ahead = timedelta(hours=4)
    assert await refusal(queue, done, Channel.SMS, told(person(1))) == "It takes no answers any more."


@pytest.mark.accepts(305)
async def test_what_is_of_no_use_any_more_is_not_sent_again(queue: Queue) -> None:
    until = queue.clock() + timedelta(hours=2)
    done = await bounced(queue, [person(1), person(2)], draft(expires_at=until))
    entry_id, _ = await again(queue, done, Channel.SMS, told(person(1)))
    rows = await queue.rows("SELECT expires_at = :until FROM entries WHERE entry_id = :id", until=until, id=entry_id)
    assert rows == [(True,)]
    queue.clock.ahead = timedelta(hours=3)
    with pytest.raises(FailedPrecondition, match="of no use"):
        await again(queue, done, Channel.SMS, told(person(2)))


@pytest.mark.accepts(305)
async def test_rights_are_those_of_who_sends_again(queue: Queue) -> None:
    people = [person(1)]
    done = await bounced(queue, people)
    urgent = await bounced(queue, people, draft(channels=[("email", ""), ("tts", "")], is_emergency=True))
    reader, writer = seer(), seer("send_messages")
    with pytest.raises(PermissionDenied, match="sending messages"):
        await again(queue, done, Channel.SMS, told(*people, caller=reader), reader)
    with pytest.raises(PermissionDenied, match="emergency"):
        await again(queue, urgent, Channel.SMS, told(*people, caller=writer), writer)
    await again(queue, done, Channel.SMS, told(*people, caller=writer), writer)
    (said,) = await queue.event(SETTING_CHANGED, settings.SettingChanged)
    assert (said.changed_by_id, said.changed_by_name, said.action) == ("admin-1", "Ada North", "message.resent")
    assert said.message_id == done.snapshot.message.message_id
    assert said.detail.startswith("channel=sms states=error recipients=1 of=")


@pytest.mark.accepts(305, 161)
async def test_each_is_told_in_their_language_also_where_it_was_not_wanted_before(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    # No voice reads Armenian: a call stays as it was written, a text does not.
    people = [person(n, language=tag, school_id="school-1") for n, tag in ((1, "es"), (2, "hy"), (3, "en"))]
    calls = draft(body=CLOSED, channels=[("tts", "")], is_translated=True)
    done = await queue.submit(calls, [each._replace(mobile="", invalid_mobile="x") for each in people])
    await translator().step()
    assert (await again(queue, done, Channel.SMS, told(*people)))[1] == 3
    await queue.drain(queue.dispatcher())
    assert sorted(each["text"] for each in vendors.arrivals(channel="sms")) == [SPANISH, CLOSED]
    await translator().step()
    await queue.drain(queue.dispatcher())
    assert len(vendors.arrivals(channel="sms")) == 3
    assert f"[hy] {CLOSED}" in [each["text"] for each in vendors.arrivals(channel="sms")]
    wanted = Resend("", b"", done.snapshot.entries[0].entry_id, [State.ERROR], Channel.EMAIL)
    preview = await previewing.preview_resend(queue.engine, queue.clock, SERVICE, wanted, told(*people))
    assert preview.goes_out == 0


@pytest.mark.accepts(305)
async def test_a_text_that_failed_goes_out_by_e_mail_and_to_the_inbox(queue: Queue, vendors: VendorSimulator) -> None:
    mailed, inboxed = person(1), person(2, email="")
    message = draft(channels=[("sms", "Short.")], body="The long story.")
    done = await queue.submit(message, [each._replace(mobile="") for each in (mailed, inboxed)])
    entry_id, resent = await again(queue, done, Channel.EMAIL, told(mailed, inboxed))
    assert resent == 2
    await queue.drain(queue.dispatcher())
    assert [each["text"] for each in vendors.arrivals(channel="email")] == ["The long story."]
    assert await queue.rows("SELECT count(*) FROM inbox_items") == [(2,)]
    assert await queue.counts(entry_id) == {"total": 2, "pending": 1, "sent": 1}


async def bounce_later(queue: Queue) -> None:
    """Let the provider say of every e-mail that it took that it bounced."""
    rows = await queue.rows("SELECT provider_message_id FROM outcomes WHERE provider = 'ses'")
    await queue.record([Receipt("ses", row[0], "", "Bounce", "Permanent/General", queue.clock()) for row in rows])


@pytest.mark.accepts(305)
async def test_a_second_resend_by_another_channel_reaches_those_who_failed_since(
    queue: Queue, vendors: VendorSimulator
) -> None:
    first, corrected, later = person(1), person(2), person(100)
    done = await bounced(queue, [first, corrected])
    await queue.drain(queue.dispatcher())
    assert (await again(queue, done, Channel.SMS, told(first, corrected._replace(mobile=""))))[1] == 1
    await bounce_later(queue)
    every = told(first, corrected, later)
    wanted = Resend("", b"", done.snapshot.entries[0].entry_id, [State.ERROR], Channel.SMS)
    preview = await previewing.preview_resend(queue.engine, queue.clock, SERVICE, wanted, every)
    assert (preview.goes_out, dict(preview.left_out)) == (2, {})
    assert (await again(queue, done, Channel.SMS, every))[1] == 2
    await queue.drain(queue.dispatcher())
    assert sorted(each["to"] for each in vendors.arrivals(channel="sms")) == sorted(
        each.mobile for each in (first, corrected, later)
    )


@pytest.mark.accepts(305)
@pytest.mark.parametrize("from_first", [True, False], ids=["from the first", "from another resend"])
async def test_who_has_it_by_a_resend_of_a_resend_is_not_written_to_again(queue: Queue, *, from_first: bool) -> None:
    # By e-mail it failed, by text, too; by push it is under way.
    someone = person(1, devices="token-1")
    done = await bounced(queue, [someone])
    e_mail = done.snapshot.entries[0].entry_id
    text, _ = await again(queue, done, Channel.SMS, told(someone))
    queue.clock.ahead = timedelta(days=7)
    await upkeep.expire(queue.engine, queue.clock)
    push = Resend(new_id(), b"h", text if from_first else e_mail, [State.ERROR, State.EXPIRED], Channel.PUSH)
    assert (await resend(queue.engine, queue.clock, SERVICE, push, told(someone)))[1] == 1
    call = Resend(new_id(), b"h", e_mail if from_first else text, [State.ERROR, State.EXPIRED], Channel.TTS)
    with pytest.raises(FailedPrecondition, match="not sent already"):
        await resend(queue.engine, queue.clock, SERVICE, call, told(someone))


@pytest.mark.accepts(305)
async def test_who_got_an_account_since_finds_it_in_the_inbox(queue: Queue) -> None:
    someone = person(1, email="", has_account=False)
    done = await queue.submit(draft(), [someone])
    await queue.drain(queue.dispatcher())
    said = told(someone._replace(has_account=True))
    wanted = Resend("", b"", done.snapshot.entries[0].entry_id, [State.ERROR], Channel.EMAIL)
    preview = await previewing.preview_resend(queue.engine, queue.clock, SERVICE, wanted, said)
    assert (preview.inbox_only, dict(preview.left_out)) == (1, {})
    entry_id, _ = await again(queue, done, Channel.EMAIL, said)
    await queue.drain(queue.dispatcher())
    assert await queue.counts(entry_id) == {"total": 1, "sent": 1}
    assert await queue.rows("SELECT person_id FROM inbox_items") == [(someone.person_id,)]


@pytest.mark.accepts(305, 303)
async def test_what_was_pulled_back_and_let_go_is_in_the_inboxes_that_a_resend_reached(
    queue: Queue,
) -> None:
    someone = person(1, email="")
    text = draft(sender=PUPIL, channels=[("sms", "Short.")])
    done = await queue.submit(text, [someone._replace(mobile="")], screened=True)
    message_id = done.snapshot.message.message_id
    await verdict(queue, message_id, types.Verdict.DECISION_CLEAN)
    await queue.drain(queue.dispatcher())
    await again(queue, done, Channel.EMAIL, told(someone))
    run = period(queue)
    await rescreening.begin(queue.engine, run)
    await queue.judge_next()
    await verdict(queue, message_id, types.Verdict.DECISION_HOLD, run.rescreening_id)
    assert await queue.rows("SELECT 1 FROM inbox_items") == []
    await review(queue, message_id)
    assert await queue.rows("SELECT person_id FROM inbox_items") == [(someone.person_id,)]


@pytest.mark.accepts(305)
async def test_whom_a_first_push_did_not_address_is_looked_up_or_named(queue: Queue) -> None:
    has_device, has_none = person(1), person(2)
    done = await bounced(queue, [has_device, has_none], draft(channels=[("email", ""), ("push", "")]))
    wanted = Resend("", b"", done.snapshot.entries[0].entry_id, [State.ERROR], Channel.PUSH)
    said = told(replace_device(has_device), has_none)
    preview = await previewing.preview_resend(queue.engine, queue.clock, SERVICE, wanted, said)
    assert (preview.goes_out, dict(preview.left_out)) == (1, {"NO_DEVICE": 1})
    assert (await again(queue, done, Channel.PUSH, said))[1] == 1


@pytest.mark.accepts(305)
async def test_of_two_who_send_again_at_once_one_does(queue: Queue) -> None:
    someone = person(1, devices="token-1")
    done = await bounced(queue, [someone])
    ways = [Channel.SMS, Channel.TTS, Channel.PUSH, Channel.SMS]
    every = await asyncio.gather(*(again(queue, done, each, told(someone)) for each in ways), return_exceptions=True)
    assert sorted(type(each).__name__ for each in every) == ["FailedPrecondition"] * 3 + ["tuple"]


@pytest.mark.accepts(305)
async def test_whom_a_dispatcher_has_in_its_hands_nobody_sends_to_again(queue: Queue, vendors: VendorSimulator) -> None:
    someone = person(1)
    done = await bounced(queue, [someone])
    await queue.drain(queue.dispatcher())
    await again(queue, done, Channel.SMS, told(someone))
    dispatcher = queue.dispatcher()
    claimed = await claim(dispatcher, list(Lane), 10)
    with pytest.raises(FailedPrecondition, match="not sent already"):
        await again(queue, done, Channel.TTS, told(someone))
    for work in claimed.works:
        await send(dispatcher, work, claimed.until)
    assert sorted(each["channel"] for each in vendors.arrivals()) == ["email", "sms"]


@pytest.mark.accepts(305)
async def test_what_is_sent_again_is_told_with_its_own_time(queue: Queue) -> None:
    people = [person(1)]
    done = await bounced(queue, people)
    later = queue.clock() + timedelta(days=2)
    wanted = Resend(new_id(), b"h", done.snapshot.entries[0].entry_id, [State.ERROR], Channel.SMS)
    entry_id, _ = await resend(queue.engine, lambda: later, SERVICE, wanted, told(*people))
    first, second = await queue.event(events_out.SUBMITTED, events.MessageSubmitted)
    assert second.message.sent_at == first.message.sent_at
    times = {each.entry_id: each for each in second.message.entries}
    assert times[entry_id].sent_at.ToDatetime(UTC) == later
    assert [each.HasField("sent_at") for each in times.values()].count(True) == 1
