"""Destinations that are not written to again: hard bounces, complaints, invalid numbers; and how that is lifted."""

from datetime import timedelta

import pytest

from services.kit.auth import Caller, Viewer
from services.kit.errors import NotFound, PermissionDenied
from services.queue.actions import contacting
from services.queue.actions.receipts import match_kept, record_receipts
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.domain import State
from services.queue.records import Receipt
from tests.integration.queue.conftest import Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.support.vendors import VendorSimulator

SMS = [("sms", "School is closed.")]
SERVICE = Caller("test", frozenset())


def officer(*permissions: str, schools: frozenset[str] = frozenset({"*"})) -> Caller:
    """Return somebody of the district's office, who holds these permissions."""
    viewer = Viewer("off", "Ada North", "admin", frozenset(permissions), schools, all_users=True)
    return Caller("off", frozenset(), viewer)


async def _emailed(queue: Queue, address: str) -> tuple[str, str]:
    """Send an e-mail; return its entry and SES's id of it."""
    done = await queue.submit(draft(), [person(1, email=address)])
    entry_id = done.snapshot.entries[0].entry_id
    await queue.drain(queue.dispatcher())
    rows = await queue.rows("SELECT provider_message_id FROM outcomes WHERE entry_id = :entry_id", entry_id=entry_id)
    return entry_id, rows[0][0]


async def _told(queue: Queue, entry_id: str, identity: str, status: str, code: str) -> None:
    receipt = Receipt("ses", identity, f"{entry_id}.1.1", status, code, queue.clock())
    await record_receipts(queue.engine, queue.clock, [receipt])


@pytest.mark.accepts(311)
@pytest.mark.parametrize(
    ("status", "code", "reason", "error"),
    [
        ("Bounce", "Permanent/General", "hard_bounce", "SUPPRESSED_BOUNCE"),
        ("Complaint", "abuse", "complaint", "SUPPRESSED_COMPLAINT"),
    ],
)
async def test_an_address_that_bounces_or_complains_is_not_written_to_until_it_is_lifted(
    queue: Queue, vendors: VendorSimulator, status: str, code: str, reason: str, error: str
) -> None:
    entry_id, identity = await _emailed(queue, "gone@example.org")
    waiting = await queue.submit(draft(), [person(1, email="gone@example.org")])
    for _ in range(2):
        await _told(queue, entry_id, identity, status, code)
    before = vendors.counts()["total"]
    await queue.drain(queue.dispatcher())
    late = await queue.submit(draft(), [person(1, email="GONE@example.org"), person(2)])
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == before + 1
    for done in (waiting, late):
        rows = await queue.rows(
            "SELECT state, error_code FROM outcomes WHERE number = 1 AND entry_id = :entry_id",
            entry_id=done.snapshot.entries[0].entry_id,
        )
        assert tuple(rows[0]) == ("error", error)
    ada = officer("manage_directory")
    found = await contacting.standing(queue.engine, ada, " Gone@Example.org ")
    assert [each[:3] for each in found.suppressed] == [("email", "gone@example.org", reason)]
    assert [(each.action, each.reason) for each in found.changes] == [("suppressed", reason)]
    await contacting.lift(queue.engine, queue.clock, ada, ["gone@example.org"])
    with pytest.raises(NotFound):
        await contacting.lift(queue.engine, queue.clock, ada, ["gone@example.org"])
    found = await contacting.standing(queue.engine, ada, "gone@example.org")
    assert (found.suppressed, [(each.action, each.person_name) for each in found.changes]) == (
        [], [("lifted", "Ada North"), ("suppressed", "")]
    )  # fmt: skip
    wanted = Resend("again", b"h", late.snapshot.entries[0].entry_id, [State.ERROR], None)
    await resend(queue.engine, queue.clock, SERVICE, wanted, told())
    await queue.drain(queue.dispatcher())
    assert vendors.counts()["total"] == before + 2


@pytest.mark.accepts(311)
@pytest.mark.accepts(311)
async def test_a_complaint_that_comes_before_the_outcome_suppresses_the_address(queue: Queue) -> None:
    done = await queue.submit(draft(), [person(1, email="early@example.org")])
    entry_id = done.snapshot.entries[0].entry_id
    for status in ("Delivery", "Complaint"):
        await _told(queue, entry_id, "", status, "")
    await queue.drain(queue.dispatcher())
    await match_kept(queue.engine, queue.clock)
    assert await queue.counts(entry_id) == {"total": 1, "sent": 1}
    rows = await queue.rows("SELECT destination, reason FROM suppressions")
    assert [tuple(row) for row in rows] == [("early@example.org", "complaint")]
    assert await queue.rows("SELECT 1 FROM receipts_unmatched") == []


async def test_a_soft_bounce_suppresses_nothing(queue: Queue) -> None:
    entry_id, identity = await _emailed(queue, "full@example.org")
    await _told(queue, entry_id, identity, "Bounce", "Transient/MailboxFull")
    assert await queue.rows("SELECT 1 FROM suppressions") == []


@pytest.mark.accepts(311)
async def test_a_number_that_is_none_is_tried_once(queue: Queue, vendors: VendorSimulator) -> None:
    landline = person(1, mobile="+16465550187")
    await queue.submit(draft(channels=SMS), [landline])
    await queue.drain(queue.dispatcher())
    assert [tuple(row) for row in await queue.rows("SELECT channel, reason, code FROM suppressions")] == [
        ("sms", "invalid_number", "21614")
    ]
    asked = vendors.counts()["total"]
    again = await queue.submit(draft(channels=SMS), [landline])
    assert await queue.counts(again.snapshot.entries[0].entry_id) == {"total": 1, "error": 1}
    called = await queue.submit(draft(channels=[("tts", "Hello.")]), [person(1, phones="+16465550187")])
    assert await queue.counts(called.snapshot.entries[0].entry_id) == {"total": 1, "pending": 1}
    assert vendors.counts()["total"] == asked
    queue.clock.ahead += timedelta(hours=1)


async def test_only_the_districts_operators_look_and_lift(queue: Queue) -> None:
    for caller in (officer(), officer("manage_directory", schools=frozenset({"s1"}))):
        with pytest.raises(PermissionDenied):
            await contacting.standing(queue.engine, caller, "a@example.org")
        with pytest.raises(PermissionDenied):
            await contacting.lift(queue.engine, queue.clock, caller, ["a@example.org"])
