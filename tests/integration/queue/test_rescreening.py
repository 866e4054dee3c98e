"""A period that is judged again: asked once, resumed after a crash, and what is held then is pulled back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protos.events.v1 import moderation_pb2
from protos.events.v1 import queue_pb2 as events
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.kit.handling import Event
from services.kit.ids import new_id
from services.queue import events_out
from services.queue.actions import rescreening
from services.queue.actions.submit import Submitted
from services.queue.events import on_verdict
from services.queue.rescreening_words import rescreening_message
from services.queue.store.rescreenings import Rescreening
from tests.integration.queue.conftest import PUPIL, Queue, draft, person
from tests.support.vendors import VendorSimulator


async def verdict(queue: Queue, message_id: str, decision: Any, run: str = "", event_id: str = "") -> None:
    """Tell the queue a verdict, of a period when `run` names one."""
    reached = moderation_pb2.VerdictReached(event_id=event_id or new_id(), rescreening_id=run)
    reached.verdict.message_id, reached.verdict.decision = message_id, decision
    await on_verdict(queue.engine, queue.clock, Event("v", reached.event_id, reached.SerializeToString(), 1))


async def released(queue: Queue, people: int = 1, **fields: Any) -> Submitted:
    """Submit a student's message and let it go."""
    done = await queue.submit(draft(sender=PUPIL, **fields), [person(n + 1) for n in range(people)], screened=True)
    await verdict(queue, done.snapshot.message.message_id, types.Verdict.DECISION_CLEAN)
    return done


def period(queue: Queue, **fields: Any) -> Rescreening:
    """The last day, until an hour from now."""
    now = queue.clock()
    base: dict[str, Any] = {"rescreening_id": new_id(), "since": now - timedelta(days=1), "reason": "A new policy."}
    base |= {"before": now + timedelta(hours=1), "asked_by": "ada", "asked_by_name": "Ada North", "requested_at": now}
    return Rescreening(**(base | fields))


async def asked(queue: Queue) -> list[events.ScreeningRequested]:
    return await queue.event(events_out.RESCREENING_REQUESTED, events.ScreeningRequested)


async def test_what_was_released_in_the_period_is_asked_about_once_piece_by_piece(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescreening, "_ASKED_AT_ONCE", 2)
    sent = [(await released(queue, subject=f"Number {n}")).snapshot.message.message_id for n in range(3)]
    await queue.submit(draft(sender=PUPIL), [person(1)], screened=True)
    await queue.submit(draft(), [person(1)])
    run = period(queue)
    assert (await rescreening.begin(queue.engine, run)).total == 3
    assert (await rescreening.begin(queue.engine, run)).rescreening_id == run.rescreening_id
    assert [await queue.judge_next() for _ in range(4)] == [2, 1, 0, 0]
    questions = await asked(queue)
    assert [each.message_id for each in questions] == sent
    assert {each.rescreening_id for each in questions} == {run.rescreening_id}
    assert "Number 1" in questions[1].texts


async def test_a_period_never_says_that_more_were_judged_than_there_are(queue: Queue) -> None:
    run = period(queue)
    assert (await rescreening.begin(queue.engine, run)).total == 0
    message_id = (await released(queue)).snapshot.message.message_id
    await queue.judge_next()
    await verdict(queue, message_id, types.Verdict.DECISION_CLEAN, run.rescreening_id)
    (found,) = await rescreening.latest(queue.engine)
    shown = rescreening_message(found)
    assert (shown.total, shown.asked, shown.judged) == (1, 1, 1)


@pytest.mark.accepts(168, 169, 170, 171, 172)
async def test_a_delivered_message_is_pulled_back_once_and_its_delivery_stays_on_record(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await released(queue, people=2, channels=[("email", ""), ("sms", "")])
    message_id = done.snapshot.message.message_id
    email = done.snapshot.entries[0]
    assert await queue.judge_next() == 0
    dispatcher = queue.dispatcher()
    run = period(queue)
    await rescreening.begin(queue.engine, run)
    await queue.judge_next()
    await queue.drain(dispatcher)
    before = await queue.counts(email.entry_id)
    assert len(await queue.rows("SELECT 1 FROM inbox_items")) == 2
    event_id = new_id()
    for _ in range(2):
        await verdict(queue, message_id, types.Verdict.DECISION_HOLD, run.rescreening_id, event_id)
    assert await queue.rows("SELECT 1 FROM inbox_items") == []
    (told,) = await queue.event(events_out.WITHHELD, events.MessageWithheld)
    assert (told.message.message_id, told.message.body) == (message_id, "Picture day is on Friday.")
    assert await queue.counts(email.entry_id) == before, "what was handed over stays as it is"
    (found,) = await rescreening.latest(queue.engine)
    assert (found.asked, found.judged, found.withheld) == (1, 1, 1)
    await queue.assert_true()


async def test_what_has_not_left_is_stopped_also_when_a_dispatcher_had_it(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await released(queue, people=2)
    entry_id = done.snapshot.entries[0].entry_id
    run = period(queue)
    await rescreening.begin(queue.engine, run)
    await queue.judge_next()
    await queue.rows("UPDATE batches SET state = 'claimed', claim_id = gen_random_uuid(), claimed_at = now(),"
                     " lease_until = now() + interval '1 minute' RETURNING 1")  # fmt: skip
    await verdict(queue, done.snapshot.message.message_id, types.Verdict.DECISION_HOLD, run.rescreening_id)
    await queue.rows("UPDATE batches SET state = 'pending', claim_id = NULL, claimed_at = NULL, lease_until = NULL"
                     " RETURNING 1")  # fmt: skip
    await queue.drain(queue.dispatcher())
    assert await queue.counts(entry_id) == {"total": 2, "withheld": 2}
    assert vendors.counts()["total"] == 0
    await queue.assert_true()


async def test_what_waits_is_withheld_and_a_clean_verdict_changes_nothing(
    queue: Queue, vendors: VendorSimulator
) -> None:
    bad, good = await released(queue), await released(queue)
    run = period(queue)
    await rescreening.begin(queue.engine, run)
    await queue.judge_next()
    await verdict(queue, bad.snapshot.message.message_id, types.Verdict.DECISION_HOLD, run.rescreening_id)
    await verdict(queue, good.snapshot.message.message_id, types.Verdict.DECISION_WATCH, run.rescreening_id)
    assert await queue.counts(bad.snapshot.entries[0].entry_id) == {"total": 1, "withheld": 1}
    assert await queue.counts(good.snapshot.entries[0].entry_id) == {"total": 1, "pending": 1}
    assert await queue.drain(queue.dispatcher()) == 1
    await queue.assert_true()


@pytest.mark.accepts(174)
async def test_what_went_out_while_screening_was_off_is_judged_later_and_pulled_back_and_no_words_of_staff_are(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await queue.submit(draft(sender=PUPIL), [person(1)], screened=False)
    await queue.submit(draft(), [person(2)])
    message_id, entry_id = done.snapshot.message.message_id, done.snapshot.entries[0].entry_id
    assert await queue.event(events_out.SCREENING_REQUESTED, events.ScreeningRequested) == []
    assert await queue.drain(queue.dispatcher()) == 2
    assert vendors.counts()["total"] == 2, "delivered without a question to anybody"
    run = period(queue)
    assert (await rescreening.begin(queue.engine, run)).total == 1
    assert await queue.judge_next() == 1
    (question,) = await asked(queue)
    assert question.message_id == message_id
    before = await queue.counts(entry_id)
    await verdict(queue, message_id, types.Verdict.DECISION_HOLD, run.rescreening_id)
    (told,) = await queue.event(events_out.WITHHELD, events.MessageWithheld)
    assert told.message.message_id == message_id
    assert len(await queue.rows("SELECT 1 FROM inbox_items")) == 1, "the teacher's own"
    assert await queue.counts(entry_id) == before
    await queue.assert_true()


async def test_what_went_out_while_screening_was_off_is_released_once_a_period_holds_nothing_of_it(
    queue: Queue, vendors: VendorSimulator
) -> None:
    student = (await queue.submit(draft(sender=PUPIL), [person(1)], screened=False)).snapshot.message.message_id
    teacher = (await queue.submit(draft(), [person(2)])).snapshot.message.message_id
    await queue.drain(queue.dispatcher())
    run = period(queue)
    await rescreening.begin(queue.engine, run)
    await queue.judge_next()
    for message_id in (student, teacher):
        await verdict(queue, message_id, types.Verdict.DECISION_WATCH, run.rescreening_id)
    standing = await queue.rows("SELECT message_id::text, screening, verdict IS NOT NULL FROM messages")
    assert {tuple(each) for each in standing} == {(student, "released", True), (teacher, "not_needed", False)}
    assert len(await queue.rows("SELECT 1 FROM inbox_items")) == 2
    assert await queue.event(events_out.RELEASED, events.MessageReleased) == []
    later = period(queue)
    await rescreening.begin(queue.engine, later)
    await queue.judge_next()
    await verdict(queue, student, types.Verdict.DECISION_HOLD, later.rescreening_id)
    assert len(await queue.event(events_out.WITHHELD, events.MessageWithheld)) == 1
    await queue.assert_true()


async def test_nothing_is_judged_again_while_screening_is_off() -> None:
    rescreening.check_screening_is_on({"moderation_api": True})
    for modules in ({}, {"moderation_api": False}):
        with pytest.raises(FailedPrecondition) as refusal:
            rescreening.check_screening_is_on(modules)
        assert refusal.value.reason == "SCREENING_OFF"


@pytest.mark.accepts(174)
async def test_a_period_waits_while_screening_is_off_and_goes_on_after(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescreening, "_ASKED_AT_ONCE", 1)
    sent = [(await released(queue)).snapshot.message.message_id for _ in range(2)]
    await rescreening.begin(queue.engine, period(queue))
    steps = [await queue.judge_next(is_screening_on=is_on) for is_on in (True, False, False)]
    assert (steps, [each.message_id for each in await asked(queue)]) == ([1, 0, 0], sent[:1])
    assert [await queue.judge_next() for _ in range(2)] == [1, 0]
    assert [each.message_id for each in await asked(queue)] == sent


async def test_one_period_at_a_time_with_a_reason_and_only_for_who_manages_the_districts_policy(queue: Queue) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await rescreening.begin(queue.engine, period(queue, before=queue.clock() - timedelta(days=2), reason=""))
    assert [each.pointer for each in refusal.value.violations] == ["/before", "/reason"]
    with pytest.raises(InvalidArgument):
        await rescreening.begin(queue.engine, period(queue, reason="A new policy.\x00"))
    await rescreening.begin(queue.engine, period(queue))
    with pytest.raises(FailedPrecondition):
        await rescreening.begin(queue.engine, period(queue))
    viewer = Viewer("p", "Pat", "admin", frozenset({"manage_policy"}), frozenset({"s1"}), all_users=True)
    with pytest.raises(PermissionDenied):
        rescreening.check_may_rescreen(Caller("p", frozenset(), viewer))


async def test_what_never_gets_a_verdict_is_given_up_after_a_time_and_a_late_one_counts(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescreening, "_ASKED_AT_ONCE", 1)
    monkeypatch.setattr(rescreening, "_MOST_UNJUDGED", 0)
    sent = [(await released(queue)).snapshot.message.message_id for _ in range(2)]
    run = period(queue)
    await rescreening.begin(queue.engine, run)
    assert [await queue.judge_next() for _ in range(2)] == [1, 0]
    queue.clock.ahead = rescreening.GIVEN_UP_AFTER + timedelta(seconds=1)
    assert [await queue.judge_next() for _ in range(2)] == [1, 0]
    await verdict(queue, sent[1], types.Verdict.DECISION_CLEAN, run.rescreening_id)
    assert await queue.judge_next() == 0
    (found,) = await rescreening.latest(queue.engine)
    assert (found.asked, found.judged, found.given_up) == (2, 1, 1)
    assert rescreening_message(found).is_done
    await verdict(queue, sent[0], types.Verdict.DECISION_HOLD, run.rescreening_id)
    (found,) = await rescreening.latest(queue.engine)
    assert (found.judged, found.given_up, found.withheld) == (2, 0, 1)


async def test_a_period_is_of_years_that_every_zone_can_show(queue: Queue) -> None:
    wrong = period(queue, since=datetime(1, 1, 1, tzinfo=UTC), before=datetime(9999, 12, 31, tzinfo=UTC))
    with pytest.raises(InvalidArgument) as refusal:
        await rescreening.begin(queue.engine, wrong)
    assert [each.pointer for each in refusal.value.violations] == ["/since", "/before"]
