"""What a queue record says: while it waits, once it failed, and whose name families see."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from services.kit.auth import Caller
from services.kit.db import transaction
from services.queue.actions.standing import Known, KnownSchool, decide
from services.queue.actions.submit import Submission, submit
from services.queue.domain import Source
from services.queue.records import Addressees, Receipt
from services.queue.store import deliveries, messages
from services.queue.store.deliveries import Seen
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.vendors import VendorSimulator


async def _records(queue: Queue, entry_id: str) -> list[dict[str, Any]]:
    async with transaction(queue.engine) as connection:
        found = await messages.find_entry(connection, entry_id)
        assert found is not None
        return await deliveries.page(connection, found[0], Seen(None), sort="", descending=False, limit=10, offset=0)


async def _receive(queue: Queue, vendors: VendorSimulator, status: str, code: str = "") -> None:
    (arrived,) = vendors.arrivals(channel="email")
    key = arrived["tags"]["delivery_key"]
    await queue.record([Receipt("ses", arrived["vendor_id"], key, status, code, queue.clock())])


@pytest.mark.accepts(56, 59, 78)
async def test_a_record_is_pending_until_the_queue_has_moved_it_and_says_when(
    queue: Queue, vendors: VendorSimulator
) -> None:
    done = await queue.submit(draft(), [person(1)])
    entry_id = done.snapshot.entries[0].entry_id
    assert await queue.counts(entry_id) == {"total": 1, "pending": 1}
    (submitted,) = await _records(queue, entry_id)
    times = [submitted["last_update_at"]]
    queue.clock.ahead = timedelta(minutes=10)
    assert await _records(queue, entry_id) == [submitted]
    await queue.drain(queue.dispatcher())
    times += [row["last_update_at"] for row in await _records(queue, entry_id)]
    assert await queue.counts(entry_id) == {"total": 1, "pending": 1}
    queue.clock.ahead = timedelta(minutes=20)
    await _receive(queue, vendors, "Delivery")
    (confirmed,) = await _records(queue, entry_id)
    times.append(confirmed["last_update_at"])
    assert (submitted["state"], confirmed["state"]) == ("pending", "sent")
    apart = [(later - earlier) >= timedelta(minutes=9) for earlier, later in pairwise(times)]
    assert apart == [True, True]
    await _receive(queue, vendors, "Delivery")
    assert await _records(queue, entry_id) == [confirmed]


@pytest.mark.accepts(77)
async def test_duplicates_of_a_transmission_that_failed_neither_show_as_sent_nor_hide_it(
    queue: Queue, vendors: VendorSimulator
) -> None:
    siblings = [person(number, person_id="mother", email="mother@example.org") for number in (1, 2, 3)]
    done = await queue.submit(draft(once_per_family=True), siblings)
    entry_id = done.snapshot.entries[0].entry_id
    await queue.drain(queue.dispatcher())
    await _receive(queue, vendors, "Bounce", "Permanent/General")
    assert await queue.counts(entry_id) == {"total": 3, "error": 1, "duplicate": 2}
    assert [row["state"] for row in await _records(queue, entry_id)] == ["error", "duplicate", "duplicate"]


@pytest.mark.accepts(45, 228, 229, 230)
async def test_an_excluded_schools_mail_comes_from_its_title_and_not_from_the_district(
    queue: Queue, vendors: VendorSimulator
) -> None:
    message = draft(from_title="Harbor Unified", source=Source.DISTRICT)
    known = Known(None, {"school-1": KnownSchool("Ridge High", is_excluded=True)}, {})
    standing = decide(message, Caller("test", frozenset()), known)

    async def pieces() -> AsyncIterator[Addressees]:
        yield Addressees.of([person(2, school_id="school-1")])

    done = await submit(queue.engine, queue.clock, Submission(message, "test", standing), pieces())
    await queue.drain(queue.dispatcher())
    (arrived,) = vendors.arrivals(channel="email")
    assert arrived["sender"] == "Ridge High <office@example.org>"
    assert done.snapshot.message.source is Source.SCHOOL
