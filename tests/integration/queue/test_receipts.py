"""What providers say afterwards: once, in any order, early, late, several in one lot."""

import pytest

from services.kit.db import transaction
from services.queue.actions.receipts import match_kept, record_receipts
from services.queue.records import Receipt
from services.queue.store import outcomes
from tests.integration.queue.conftest import Queue, draft, person


@pytest.mark.accepts(63, 67)
async def test_receipts_are_idempotent_monotonic_and_may_come_early(queue: Queue) -> None:
    done = await queue.submit(draft(), [person(1)])
    entry_id = done.snapshot.entries[0].entry_id

    def receipt(status: str, code: str = "", key: str = f"{entry_id}_1_1") -> Receipt:
        return Receipt("ses", "ses-id", key, status, code, queue.clock())

    early = await record_receipts(queue.engine, queue.clock, [receipt("Delivery"), receipt("Send")])
    assert (early.applied, early.kept) == (0, 2)
    dispatcher = queue.dispatcher()
    await queue.drain(dispatcher)
    assert await queue.counts(entry_id) == {"total": 1, "sent": 1}
    (row,) = await queue.rows("SELECT provider_message_id FROM outcomes")
    late = Receipt("ses", row[0], "", "Delivery", "", queue.clock())
    for _ in range(2):
        effect = await record_receipts(queue.engine, queue.clock, [late])
        assert (effect.applied, effect.ignored) == (0, 1)
    soft = Receipt("ses", row[0], "", "Bounce", "Transient/General", queue.clock())
    assert (await record_receipts(queue.engine, queue.clock, [soft])).applied == 0
    hard = Receipt("ses", row[0], "", "Bounce", "Permanent/General", queue.clock())
    assert (await record_receipts(queue.engine, queue.clock, [hard])).applied == 1
    assert await queue.counts(entry_id) == {"total": 1, "error": 1}
    assert (await record_receipts(queue.engine, queue.clock, [late])).applied == 0
    unknown = Receipt("twilio", "SMunknown", "nonsense", "delivered", "", queue.clock())
    effect = await record_receipts(queue.engine, queue.clock, [unknown, unknown])
    assert effect.kept == 2
    assert len(await queue.rows("SELECT 1 FROM receipts_unmatched WHERE provider = 'twilio'")) == 1


async def test_a_kept_receipt_is_matched_by_the_providers_id(queue: Queue) -> None:
    done = await queue.submit(draft(), [person(1)])
    await queue.drain(queue.dispatcher())
    (row,) = await queue.rows("SELECT provider_message_id FROM outcomes")
    async with transaction(queue.engine) as connection:
        kept = Receipt("ses", row[0], "", "Delivery", "", queue.clock())
        await outcomes.keep_unmatched(connection, [kept], queue.clock())
    assert await match_kept(queue.engine, queue.clock) == 1
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 1, "sent": 1}


@pytest.mark.accepts(63, 67)
async def test_receipts_of_one_lot_each_do_what_they_say(queue: Queue) -> None:
    done = await queue.submit(draft(), [person(n) for n in range(1, 7)])
    entry_id = done.snapshot.entries[0].entry_id
    await queue.drain(queue.dispatcher())
    ids = {
        row[0]: row[1] for row in await queue.rows("SELECT number, provider_message_id FROM outcomes ORDER BY number")
    }

    def receipt(number: int, status: str, code: str = "", *, attempt: int = 1, by: str = "") -> Receipt:
        key = f"{entry_id}.{number}.{attempt}"
        return Receipt("ses", by or ids.get(number, ""), key, status, code, queue.clock())

    lot = [
        receipt(1, "Delivery"),
        receipt(2, "Delivery"),
        receipt(2, "Bounce", "Permanent/General"),
        receipt(3, "Bounce", "Permanent/General"),
        receipt(4, "Complaint"),
        receipt(5, "Delivery", by="another-id", attempt=2),
        receipt(9, "Delivery"),
        receipt(6, "Delivery")._replace(delivery_key=""),
    ]
    effect = await record_receipts(queue.engine, queue.clock, lot)
    assert (effect.applied, effect.ignored, effect.kept) == (7, 0, 1)
    rows = await queue.rows("SELECT number, state, error_code <> '', provider_message_id FROM outcomes ORDER BY number")
    assert [tuple(row)[:3] for row in rows] == [
        (1, "sent", False),
        (2, "error", True),
        (3, "error", True),
        (4, "sent", False),
        (5, "sent", False),
        (6, "sent", False),
    ]
    assert rows[4][3] == "another-id"
    assert await queue.counts(entry_id) == {"total": 6, "sent": 4, "error": 2}
    assert [row[0] for row in await queue.rows("SELECT reason FROM suppressions ORDER BY destination")] == [
        "hard_bounce",
        "hard_bounce",
        "complaint",
    ]
    again = await record_receipts(queue.engine, queue.clock, lot)
    assert (again.applied, again.kept) == (0, 1)
    assert await queue.counts(entry_id) == {"total": 6, "sent": 4, "error": 2}
