"""Every process in turn is killed while a thousand families are written to and a student threatens somebody.

Afterwards nothing is lost, doubled or unscreened, and the numbers are exact. What was at the provider in the moment in
which its dispatcher died may end as an error that says so: the report then tells of the family, who never got it twice.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.kit.ids import new_id
from tests.e2e.roster import EMAIL_ERRORS, FAMILIES, HOLDERS, SENIORS, SMS_ERRORS, STAFF
from tests.e2e.system import System
from tests.faults.sending import ANSWERED_SECONDS, SETTLED_SECONDS, Families, Sender, check_families
from tests.support.eventually import eventually_sync

PARTS = (
    "directory.serve",
    "queue.serve",
    "queue.dispatch",
    "queue.tick",
    "moderation.serve",
    "reports.serve",
    "notify.serve",
    "gateway.wsgi",
    "nats",
    "postgres",
)
"""Everything that the launcher starts, as run.json names it, except the simulator of the world outside."""
_UNDER_WAY = 50
"""Arrivals after which the sending is surely under way, and as surely not over."""


@pytest.mark.accepts(62, 65, 161, 168, 172, 181, 239, 240)
@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_lost_doubled_or_unscreened_when_it_dies(system: System, part: str) -> None:
    _send_and_kill(system, [part], Families(SENIORS, {"CHANNEL_EMAIL": 0, "CHANNEL_SMS": 0}), ["12"])


@pytest.mark.accepts(62, 65, 161, 168, 172, 181, 239, 240)
def test_nothing_is_lost_doubled_or_unscreened_when_all_die_one_after_the_other(system: System) -> None:
    errors = {"CHANNEL_EMAIL": EMAIL_ERRORS, "CHANNEL_SMS": SMS_ERRORS}
    _send_and_kill(system, PARTS, Families(FAMILIES, errors, cuts=2), [])


def _send_and_kill(system: System, parts: Sequence[str], families: Families, grades: list[str]) -> None:
    mark = new_id()[-10:]
    principal, student, other = (Sender(system, name) for name in ("principal", "student1", "student2"))
    audience = {"school_ids": [system.schools["s1"]], "roles": ["parent"], "grades": grades}
    teacher = {"person_ids": [system.people["teacher"]]}
    unread = Sender(system, "teacher").get("inbox")["unread"]
    sent = principal.send(f"Closed {mark}", f"Closed {mark}.", ["email", "sms"], audience)

    def is_under_way() -> None:
        assert len(system.arrivals("email", mark)) + len(system.arrivals("sms", mark)) >= _UNDER_WAY

    eventually_sync(is_under_way, 30)
    with ThreadPoolExecutor(2) as at_once:
        threats = [at_once.submit(student.send, f"one-{mark}", _threat(mark), ["email"], teacher)]
        for part in parts:
            system.kill(part)
        threats.append(at_once.submit(other.send, f"two-{mark}", _threat(mark), ["email"], teacher))
        for each in threats:
            each.result(2 * ANSWERED_SECONDS)
    eventually_sync(lambda: check_families(principal, families, sent["message_id"], mark), SETTLED_SECONDS)
    eventually_sync(lambda: check_threats(principal, mark), SETTLED_SECONDS)
    check_teacher(Sender(system, "teacher"), mark, unread)
    assert system.broken_entries() == []


def _threat(mark: str) -> str:
    return f"I am going to bring a gun and kill you in class tomorrow. threat-{mark}"


def check_threats(principal: Sender, mark: str) -> None:
    """Look for both threats: listed once, flagged, withheld, and every holder told once by each way."""
    system = principal.system
    rows = [each for each in principal.get("reports/threats?size=100")["rows"] if mark in each["subject"]]
    assert sorted(each["subject"] for each in rows) == [f"one-{mark}", f"two-{mark}"]
    assert all(each["is_flagged"] and each["is_withheld"] for each in rows)
    open_alerts = [each["message_id"] for each in principal.get("alerts")["alerts"]]
    for row in rows:
        assert row["counts"]["withheld"] == row["counts"]["total"] == "1"
        assert open_alerts.count(row["message_id"]) == 1
        for each in STAFF:
            expected = 1 if each.username in HOLDERS else 0
            for channel in ("email", "push"):
                arrived = [one for one in system.arrivals(channel, row["message_id"]) if each.username in one["to"]]
                assert len(arrived) == expected, (channel, each.username)


def check_teacher(teacher: Sender, mark: str, unread: str) -> None:
    """Look for anything of the threats that got out; `unread` is how many messages were unread before."""
    inbox = teacher.get(f"inbox?q={mark}")
    assert (inbox["items"], inbox["unread"]) == ([], unread)
    for channel in ("email", "sms", "push"):
        assert teacher.system.arrivals(channel, f"threat-{mark}") == []
