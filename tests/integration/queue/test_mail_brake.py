"""Ordinary e-mail stops by itself when too much of it bounces, and goes on when a person says so (statement 311)."""

from datetime import timedelta

import pytest

from protos.events.v1 import queue_pb2 as events
from services.kit.auth import Caller, Viewer
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.queue import events_out
from services.queue.actions import braking
from services.queue.braking import FEWEST_ANSWERED, Mailing
from services.queue.domain import Lane
from services.queue.records import KIND_ALERT, Receipt
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.vendors import VendorSimulator

SMS = [("sms", "School is closed.")]


def _officer(*permissions: str) -> Caller:
    viewer = Viewer("off", "Ada North", "admin", frozenset(permissions), frozenset({"*"}), all_users=True)
    return Caller("off", frozenset(), viewer)


async def _mailed(
    queue: Queue, vendors: VendorSimulator, first: int, bounced: int, code: str = "Permanent/General"
) -> None:
    """Send the fewest e-mails that count, and let so many of them bounce."""
    people = [person(number) for number in range(first, first + FEWEST_ANSWERED)]
    await queue.submit(draft(), people)
    await queue.drain(queue.dispatcher())
    receipts = []
    for place, arrived in enumerate(vendors.arrivals(channel="email")[:FEWEST_ANSWERED]):
        status, code = ("Bounce", code) if place < bounced else ("Delivery", "")
        receipts.append(
            Receipt("ses", arrived["vendor_id"], arrived["tags"]["delivery_key"], status, code, queue.clock())
        )
    await queue.record(receipts)
    await braking.watch(queue.engine, queue.clock)


@pytest.mark.accepts(311)
async def test_too_many_bounces_hold_ordinary_mail_back_until_somebody_lets_it_go(
    queue: Queue, vendors: VendorSimulator
) -> None:
    await _mailed(queue, vendors, 1, FEWEST_ANSWERED // 20 - 1)
    assert await braking.standing(queue.engine) is None
    queue.clock.ahead = timedelta(hours=25)
    await _mailed(queue, vendors, 1_001, FEWEST_ANSWERED // 20)
    brake = await braking.standing(queue.engine)
    assert brake is not None
    assert brake.mailing == Mailing(FEWEST_ANSWERED, FEWEST_ANSWERED // 20, 0)
    await braking.watch(queue.engine, queue.clock)
    (told,) = await queue.event(events_out.ATTENTION_NEEDED, events.AttentionNeeded)
    assert told.kind == events.ATTENTION_KIND_MAIL_HELD_BACK
    assert told.reason == "Of 500 e-mails of the last 24 hours 25 came back and 0 were reported as spam."
    before = vendors.counts()["by_channel"]
    waiting = await queue.submit(draft(channels=[("email", ""), ("sms", "Bus 4.")]), [person(3_000)])
    await queue.submit(draft(kind=KIND_ALERT, lane=Lane.ALERT), [person(3_001)])
    await queue.drain(queue.dispatcher())
    after = vendors.counts()["by_channel"]
    assert (after["email"] - before["email"], after["sms"] - before.get("sms", 0)) == (1, 1)
    officer = _officer("manage_directory")
    with pytest.raises(InvalidArgument):
        await braking.release(queue.engine, queue.clock, officer, " ")
    with pytest.raises(PermissionDenied):
        await braking.release(queue.engine, queue.clock, _officer("send_messages"), "I want to.")
    await braking.release(queue.engine, queue.clock, officer, "The addresses are corrected.")
    with pytest.raises(FailedPrecondition):
        await braking.release(queue.engine, queue.clock, officer, "Again.")
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["by_channel"]["email"] == after["email"] + 1
    assert (await queue.counts(waiting.snapshot.entries[0].entry_id)) == {"total": 1, "pending": 1}
    await braking.watch(queue.engine, queue.clock)
    assert await braking.standing(queue.engine) is None


@pytest.mark.accepts(311)
async def test_what_never_reached_the_provider_does_not_hide_bounces(queue: Queue, vendors: VendorSimulator) -> None:
    """Nobody's address, a wrong one, the portal alone: nothing of it is among what Amazon counts."""
    nothing = {"email": "", "has_account": False}
    for fields in (nothing, nothing | {"invalid_email": "x"}, {"email": ""}):
        await queue.submit(draft(), [person(number, **fields) for number in range(5_000, 5_000 + FEWEST_ANSWERED)])
    await _mailed(queue, vendors, 1, FEWEST_ANSWERED // 20 - 1)
    assert await braking.standing(queue.engine) is None
    queue.clock.ahead = timedelta(hours=1)
    await _mailed(queue, vendors, 1_001, FEWEST_ANSWERED // 20 + 1)
    brake = await braking.standing(queue.engine)
    assert brake is not None
    assert brake.mailing == Mailing(2 * FEWEST_ANSWERED, FEWEST_ANSWERED // 10, 0)


@pytest.mark.accepts(311)
async def test_what_amazon_does_not_send_because_of_its_own_list_does_not_count(
    queue: Queue, vendors: VendorSimulator
) -> None:
    on_its_list = "Permanent/OnAccountSuppressionList"
    await _mailed(queue, vendors, 1, FEWEST_ANSWERED // 2, on_its_list)
    assert await braking.standing(queue.engine) is None
    await _mailed(queue, vendors, 1_001, FEWEST_ANSWERED // 10)
    brake = await braking.standing(queue.engine)
    assert brake is not None
    assert brake.mailing == Mailing(FEWEST_ANSWERED * 3 // 2, FEWEST_ANSWERED // 10, 0)


@pytest.mark.parametrize(
    ("mailing", "is_too_bad"),
    [
        (Mailing(FEWEST_ANSWERED - 1, FEWEST_ANSWERED - 1, 0), False),
        (Mailing(10_000, 499, 9), False),
        (Mailing(10_000, 500, 0), True),
        (Mailing(10_000, 0, 10), True),
        (Mailing(FEWEST_ANSWERED, 0, 2), False),
    ],
)
def test_rates_count_from_enough_mail(mailing: Mailing, is_too_bad: bool) -> None:
    assert mailing.is_too_bad is is_too_bad
