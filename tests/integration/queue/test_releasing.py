"""A reviewer releases what screening withheld: late, once, by the rules of the moment (statement 303)."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from protos.events.v1 import moderation_pb2, reports_pb2
from protos.events.v1 import queue_pb2 as events
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer
from services.kit.errors import NotFound
from services.kit.handling import Event
from services.kit.ids import new_id
from services.queue import events_out
from services.queue.actions import control, rescreening
from services.queue.actions.dispatch import claim, send
from services.queue.actions.seeing import may_read, visible_schools
from services.queue.actions.standing import Known, KnownSchool
from services.queue.actions.submit import Submitted
from services.queue.domain import Lane
from services.queue.events import on_review, on_verdict
from services.queue.failures import explain
from services.queue.records import KIND_ATTENDANCE, KIND_ORDINARY
from services.queue.store import messages
from services.queue.store.rescreenings import Rescreening
from tests.integration.queue.conftest import KNOWN, PUPIL, Queue, draft, person
from tests.support.vendors import VendorSimulator

KEPT, RELEASED = types.THREAT_DECISION_KEPT, types.THREAT_DECISION_RELEASED


async def verdict(queue: Queue, message_id: str, decision: Any, run: str = "") -> None:
    """Tell the queue a verdict, of a period when `run` names one."""
    reached = moderation_pb2.VerdictReached(event_id=new_id(), rescreening_id=run)
    reached.verdict.message_id, reached.verdict.decision = message_id, decision
    await on_verdict(queue.engine, queue.clock, Event("v", reached.event_id, reached.SerializeToString(), 1))


async def review(
    queue: Queue, message_id: str, decision: Any = RELEASED, *, known: Known = KNOWN, event_id: str = ""
) -> None:
    """Tell the queue where a review stands."""
    event = reports_pb2.ReviewChanged(event_id=event_id or new_id(), message_id=message_id, decision=decision)

    async def rules() -> Known:
        return known

    await on_review(queue.engine, queue.clock, Event("r", event.event_id, event.SerializeToString(), 1), rules)


async def withheld(queue: Queue, people: int = 2, **fields: Any) -> Submitted:
    """Submit a student's message that screening withholds."""
    done = await queue.submit(draft(sender=PUPIL, **fields), [person(n + 1) for n in range(people)], screened=True)
    await verdict(queue, done.snapshot.message.message_id, types.Verdict.DECISION_HOLD)
    return done


async def told(queue: Queue) -> list[events.MessageReleased]:
    return await queue.event(events_out.RELEASED, events.MessageReleased)


@pytest.mark.accepts(303, 62, 239)
async def test_a_released_message_is_delivered_once_to_each_recipient(queue: Queue, vendors: VendorSimulator) -> None:
    done = await withheld(queue, people=3, channels=[("email", ""), ("sms", "")])
    message_id, event_id = done.snapshot.message.message_id, new_id()
    await review(queue, message_id, types.THREAT_DECISION_UNSPECIFIED)
    await review(queue, message_id, KEPT)
    assert await queue.drain(queue.dispatcher()) == 0
    for _ in range(2):
        await review(queue, message_id, event_id=event_id)
    await asyncio.gather(*(review(queue, message_id) for _ in range(3)))
    await review(queue, message_id, KEPT)
    for entry in done.snapshot.entries:
        assert await queue.counts(entry.entry_id) == {"total": 3, "pending": 3}
    (event,) = await told(queue)
    assert (event.message_id, event.is_by_review) == (message_id, True)
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == 6
    assert len(await queue.rows("SELECT 1 FROM inbox_items")) == 3
    await queue.assert_true()


@pytest.mark.accepts(303)
async def test_deadlines_count_from_the_release(queue: Queue, vendors: VendorSimulator) -> None:
    now = queue.clock()
    done = await withheld(queue, channels=[("email", ""), ("sms", "")])
    short = await withheld(queue, people=1, expires_at=now + timedelta(hours=2))
    queue.clock.ahead = timedelta(days=5)
    for each in (done, short):
        await review(queue, each.snapshot.message.message_id)
    lasting = {}
    for entry_id, expires_at in await queue.rows("SELECT entry_id::text, expires_at FROM batches"):
        lasting[entry_id] = round((expires_at - queue.clock()).total_seconds() / 3600)
    email, sms = done.snapshot.entries
    assert lasting == {email.entry_id: 72, sms.entry_id: 24, short.snapshot.entries[0].entry_id: 2}
    entries = await queue.rows("SELECT e.expires_at = b.expires_at FROM entries e JOIN batches b USING (entry_id)")
    assert all(row[0] for row in entries)
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == 5


@pytest.mark.accepts(226, 227, 303, 306)
async def test_the_rules_of_the_moment_apply(queue: Queue, vendors: VendorSimulator) -> None:
    await queue.rows(
        "INSERT INTO consent (channel, destination, is_stopped, changed_at)"
        " VALUES ('sms', '+12122000001', true, now()) RETURNING 1"
    )
    both = [("email", ""), ("sms", "")]
    stopped, off, excluded = [await withheld(queue, channels=both) for _ in range(3)]
    await review(queue, stopped.snapshot.message.message_id)
    await review(queue, off.snapshot.message.message_id, known=Known(None, KNOWN.schools, {"call_out": False}))
    closed = Known(None, {"school-1": KnownSchool("Lincoln High", is_excluded=True)}, {"call_out": True})
    await review(queue, excluded.snapshot.message.message_id, known=closed)
    email, sms = excluded.snapshot.entries
    assert await queue.counts(email.entry_id) == {"total": 2, "pending": 1, "error": 1}
    assert await queue.counts(sms.entry_id) == {"total": 2, "error": 2}
    assert await queue.counts(off.snapshot.entries[1].entry_id) == {"total": 2, "error": 2}
    shown = "SELECT person_id FROM inbox_items WHERE message_id = CAST(:id AS uuid)"
    assert await queue.rows(shown, id=excluded.snapshot.message.message_id) == [("parent-2",)]
    await queue.drain(queue.dispatcher())
    assert (await queue.counts(stopped.snapshot.entries[1].entry_id))["opted_out"] == 1
    codes = {row[0] for row in await queue.rows("SELECT DISTINCT error_code FROM outcomes WHERE state = 'error'")}
    assert codes == {"CALL_OUT_OFF", "SCHOOL_EXCLUDED"}
    assert all("released" in explain("lantern", code).sentence for code in codes)
    await queue.assert_true()


@pytest.mark.accepts(303)
async def test_no_verdict_withholds_again_what_a_person_released(queue: Queue) -> None:
    done = await withheld(queue)
    message_id = done.snapshot.message.message_id
    await review(queue, message_id)
    now = queue.clock()
    run = Rescreening(new_id(), now - timedelta(days=1), now + timedelta(hours=1), "New policy", "a", "Ada", now)
    assert (await rescreening.begin(queue.engine, run)).total == 0
    assert await queue.judge_next() == 0
    await verdict(queue, message_id, types.Verdict.DECISION_HOLD, run.rescreening_id)
    await verdict(queue, message_id, types.Verdict.DECISION_HOLD)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "pending": 2}


async def pulled_back(queue: Queue, people: int) -> Submitted:
    """A message that went out and was withheld while a dispatcher had it in hand."""
    done = await queue.submit(draft(sender=PUPIL), [person(2 * n) for n in range(people)], screened=True)
    message_id = done.snapshot.message.message_id
    await verdict(queue, message_id, types.Verdict.DECISION_CLEAN)
    now = queue.clock()
    run = Rescreening(new_id(), now - timedelta(days=1), now + timedelta(hours=1), "New policy", "a", "Ada", now)
    await rescreening.begin(queue.engine, run)
    await queue.rows("UPDATE batches SET state = 'claimed', claim_id = gen_random_uuid(), claimed_at = now(),"
                     " lease_until = now() + interval '1 minute' RETURNING 1")  # fmt: skip
    await verdict(queue, message_id, types.Verdict.DECISION_HOLD, run.rescreening_id)
    await queue.rows("UPDATE batches SET state = 'pending', claim_id = NULL, claimed_at = NULL, lease_until = NULL"
                     " RETURNING 1")  # fmt: skip
    return done


@pytest.mark.accepts(303)
async def test_what_came_back_from_a_dispatcher_goes_out_too(queue: Queue, vendors: VendorSimulator) -> None:
    done = await pulled_back(queue, 3)
    await queue.drain(queue.dispatcher())
    entry_id = done.snapshot.entries[0].entry_id
    assert await queue.counts(entry_id) == {"total": 3, "withheld": 3}
    assert await queue.rows("SELECT 1 FROM batches") == []
    await review(queue, done.snapshot.message.message_id)
    await queue.assert_true()
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == 3
    await queue.assert_true()


@pytest.mark.accepts(303)
async def test_a_release_between_a_claim_and_its_settling_is_heeded(queue: Queue, vendors: VendorSimulator) -> None:
    done = await pulled_back(queue, 2)
    dispatcher = queue.dispatcher()
    claimed = await claim(dispatcher, list(Lane), 10)
    assert claimed.works
    assert all(work.content.is_withheld for work in claimed.works)
    await review(queue, done.snapshot.message.message_id)
    for work in claimed.works:
        await send(dispatcher, work, claimed.until)
    assert vendors.counts()["total"] == 0
    await queue.drain(dispatcher)
    assert vendors.counts()["total"] == 2
    await queue.assert_true()


@pytest.mark.accepts(303)
async def test_what_staff_stopped_stays_stopped(queue: Queue, vendors: VendorSimulator) -> None:
    done = await withheld(queue)
    message_id = done.snapshot.message.message_id
    await control.cancel(queue.engine, queue.clock, Caller("sis", frozenset(), None), message_id)
    await review(queue, message_id)
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "cancelled": 2}
    assert await queue.rows("SELECT 1 FROM inbox_items") == []
    assert await queue.drain(queue.dispatcher()) == 0


@pytest.mark.accepts(192, 303)
async def test_reviewers_see_a_released_threat_whole_and_others_what_they_always_saw(queue: Queue) -> None:
    done = await withheld(queue)
    await review(queue, done.snapshot.message.message_id)
    async with queue.engine.connect() as connection:
        message = await messages.find(connection, done.snapshot.message.message_id)
    assert message

    def caller(*permissions: str, all_users: bool = False, school: str = "school-1") -> Caller:
        viewer = Viewer("p", "Pat", "admin", frozenset(permissions), frozenset({school}), all_users=all_users)
        return Caller("p", frozenset(), viewer)

    assert visible_schools(caller("threat_alerts"), message) is None
    assert may_read(caller("threat_alerts"), message, ())
    assert visible_schools(caller("view_all_users", all_users=True), message) == ["school-1"]
    everybodys = caller("view_all_users", all_users=True, school="school-2")
    assert may_read(everybodys, message, {"school-1", "school-2"})
    assert not may_read(everybodys, message, {"school-1", ""})
    for stranger in (caller("communication_reports"), caller("threat_alerts", school="school-2")):
        assert not may_read(stranger, message, {"school-1", "school-2"})
        with pytest.raises(NotFound):
            visible_schools(stranger, message)


@pytest.mark.accepts(17)
@pytest.mark.parametrize("kind", [KIND_ORDINARY, KIND_ATTENDANCE])
async def test_threat_alerts_alone_opens_the_recipients_of_threats_alone(queue: Queue, kind: int) -> None:
    done = await withheld(queue)
    await review(queue, done.snapshot.message.message_id)
    async with queue.engine.connect() as connection:
        found = await messages.find(connection, done.snapshot.message.message_id)
    assert found
    message = replace(found, review_released_at=None, kind=kind)
    alone = Viewer("p", "Pat", "admin", frozenset({"threat_alerts"}), frozenset({"school-1"}), all_users=True)
    with pytest.raises(NotFound):
        visible_schools(Caller("p", frozenset(), alone), message)
    both = replace(alone, permissions=alone.permissions | {"communication_reports"})
    assert visible_schools(Caller("p", frozenset(), both), message) == ["school-1"]
