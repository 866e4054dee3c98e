"""Stopping a message and sending it again: nothing leaves that was stopped, nobody gets twice what reached them."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from services.kit.auth import Caller
from services.kit.errors import FailedPrecondition
from services.kit.ids import new_id
from services.queue.actions import control, upkeep
from services.queue.actions.resendable import FromDirectory, Resend
from services.queue.actions.resending import resend
from services.queue.actions.standing import Known
from services.queue.domain import Channel, State
from services.queue.records import Addressee, Receipt
from tests.integration.queue.conftest import Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.support.vendors import VendorSimulator

SERVICE = Caller("test", frozenset())
BOTH = [("email", "A long letter."), ("sms", "Short.")]


async def corrected(person_ids: Sequence[str], school_id: str) -> dict[str, Addressee]:
    """Say what directory does after the address was corrected."""
    return {each: person(1, person_id=each) for each in person_ids}


async def again(
    queue: Queue, entry_id: str, channel: Channel | None = None, said: FromDirectory | None = None
) -> tuple[str, int]:
    wanted = Resend(new_id(), b"h", entry_id, [State.ERROR, State.EXPIRED], channel)
    return await resend(queue.engine, queue.clock, SERVICE, wanted, said or told())


async def test_what_a_dispatcher_gives_back_after_a_cancellation_does_not_go_out(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await queue.submit(draft(channels=[("sms", "Closed.")]), [person(1), person(2)])
    await queue.rows("UPDATE batches SET state = 'claimed', claim_id = gen_random_uuid(), claimed_at = now(),"
                     " lease_until = now() + interval '1 minute' RETURNING 1")  # fmt: skip
    assert await control.cancel(queue.engine, queue.clock, SERVICE, done.snapshot.message.message_id) == 0
    await queue.rows("UPDATE batches SET state = 'pending', claim_id = NULL, claimed_at = NULL, lease_until = NULL"
                     " RETURNING 1")  # fmt: skip
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == 0
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "cancelled": 2}
    await queue.assert_true()


async def test_each_delivery_that_expires_is_counted_whatever_batch_it_is_of(queue: Queue) -> None:
    await queue.submit(draft(), [person(1), person(2), person(4)])
    queue.clock.ahead = timedelta(days=4)
    assert await upkeep.expire(queue.engine, queue.clock) == 3
    await queue.assert_true()


async def test_a_cancelled_message_leaves_the_inboxes_of_those_who_did_not_read_it_and_get_nothing_of_it(
    queue: Queue,
) -> None:
    # Two schools are two batches: the first has left when the message is cancelled.
    done = await queue.submit(draft(), [person(1), person(2), person(4)])
    message_id = done.snapshot.message.message_id
    await queue.rows("UPDATE batches SET due_at = due_at + interval '1 hour' WHERE school_id = 'school-1' RETURNING 1")
    await queue.drain(queue.dispatcher())
    await queue.rows("UPDATE inbox_items SET read_at = now() WHERE person_id = 'parent-4' RETURNING 1")
    assert await control.cancel(queue.engine, queue.clock, SERVICE, message_id) == 2
    left = await queue.rows("SELECT person_id FROM inbox_items ORDER BY person_id")
    assert [row[0] for row in left] == ["parent-1", "parent-4"]
    await queue.assert_true()


@pytest.mark.accepts(305)
async def test_another_channel_says_what_was_written_for_it(queue: Queue, vendors: VendorSimulator) -> None:
    done = await queue.submit(draft(channels=BOTH), [person(1, email="", invalid_email="x")])
    email, sms = done.snapshot.entries
    with pytest.raises(FailedPrecondition, match="not sent already"):
        await again(queue, email.entry_id, Channel.SMS)  # The text waits; another would be the second.
    assert await queue.expire(sms.entry_id) == 1
    entry_id, _ = await again(queue, email.entry_id, Channel.SMS)
    await queue.drain(queue.dispatcher())
    assert [each["text"] for each in vendors.arrivals(channel="sms")] == ["Short."]
    assert await queue.rows("SELECT text FROM entries WHERE entry_id = :id", id=entry_id) == [("Short.",)]


@pytest.mark.accepts(305)
async def test_who_has_it_by_an_earlier_resend_or_is_waited_for_is_left_out(queue: Queue) -> None:
    people = [person(1), person(2), person(3)]
    email, _ = (await queue.submit(draft(channels=BOTH), people)).snapshot.entries
    await queue.drain(queue.dispatcher())
    for number in (1, 2, 3):
        await refused(queue, email.entry_id, number)
    second, resent = await again(queue, email.entry_id)
    assert resent == 3
    with pytest.raises(FailedPrecondition, match="not sent already"):
        await again(queue, email.entry_id)
    # Of the three one has it now, one was refused again, one is waited for.
    await refused(queue, second, 2)
    third, resent = await again(queue, email.entry_id)
    assert resent == 1
    assert [row[0] for row in await queue.rows("SELECT number FROM recipients WHERE entry_id = :id", id=third)] == [2]
    await queue.assert_true()


async def refused(queue: Queue, entry_id: str, number: int) -> None:
    """Let a delivery end as an error."""
    await queue.drain(queue.dispatcher())
    await queue.record([Receipt("ses", "", f"{entry_id}.{number}.1", "Reject", "", queue.clock())])


async def test_a_cancelled_message_is_not_sent_again(queue: Queue) -> None:
    done = await queue.submit(draft(channels=BOTH), [person(1, email="", invalid_email="x")])
    await control.cancel(queue.engine, queue.clock, SERVICE, done.snapshot.message.message_id)
    with pytest.raises(FailedPrecondition, match="cancelled"):
        await again(queue, done.snapshot.entries[0].entry_id)


@pytest.mark.accepts(13)
async def test_texts_are_not_sent_again_where_the_call_out_system_is_off(queue: Queue) -> None:
    done = await queue.submit(draft(channels=BOTH), [person(1, email="", invalid_email="x")])
    off = FromDirectory(Known(None, {}, {"call_out": False}), corrected)
    with pytest.raises(FailedPrecondition, match="Call Out System is off"):
        await again(queue, done.snapshot.entries[0].entry_id, Channel.SMS, off)
    assert (await again(queue, done.snapshot.entries[0].entry_id, said=off))[1] == 1
