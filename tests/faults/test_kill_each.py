"""Every process in turn is killed while a thousand families are written to and a student threatens somebody.

Afterwards nothing is lost, doubled or unscreened, and the numbers are exact. What was at the provider in the moment in
which its dispatcher died may end as an error that says so: the report then tells of the family, who never got it twice.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from services.kit.ids import new_id
from tests.e2e.roster import EMAIL_ERRORS, FAMILIES, HOLDERS, SENIORS, SMS_ERRORS, STAFF
from tests.e2e.system import System
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
_SETTLED_SECONDS = 90.0
_AT_THE_PROVIDER = 64
"""E-mails that two dispatchers may have had at the provider when they died, of which nobody can know any more."""
_UNDER_WAY = 50
"""Arrivals after which the sending is surely under way, and as surely not over."""
_ARRIVES_BY = {"CHANNEL_EMAIL": "email", "CHANNEL_SMS": "sms"}


@dataclass
class Sender:
    """A person's program: it sends again with the same key until it has an answer."""

    system: System
    username: str

    def send(self, subject: str, text: str, channels: list[str], audience: dict[str, list[str]]) -> dict[str, Any]:
        """Send a message once, however often that takes; return what the queue said of it."""
        body = {"idempotency_key": new_id(), "subject": subject, "body": text, "channels": channels}

        def send_again() -> dict[str, Any]:
            try:
                answer = self.system.rest(self.username).post(
                    f"{self.system.url}/api/v1/messages", json={**body, "audience": audience}, timeout=20
                )
            except requests.ConnectionError as problem:
                raise AssertionError("the gateway does not answer") from problem
            # A part that is away is a 5xx; whatever else would be a refusal, and no repetition could mend it.
            assert answer.status_code < 500, answer.text
            if answer.status_code != 200:
                pytest.fail(answer.text)
            found: dict[str, Any] = answer.json()
            return found

        return eventually_sync(send_again, 45)

    def get(self, path: str) -> dict[str, Any]:
        """Read something. AssertionError when it cannot be read now."""
        try:
            answer = self.system.rest(self.username).get(f"{self.system.url}/api/v1/{path}", timeout=10)
        except requests.RequestException as problem:
            raise AssertionError("the gateway does not answer") from problem
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@dataclass(frozen=True)
class Families:
    """How many are written to, and how many of them cannot be reached, by channel."""

    count: int
    errors: Mapping[str, int]


@pytest.mark.accepts(62, 65, 161, 168, 172, 181, 239, 240)
@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_lost_doubled_or_unscreened_when_it_dies(system: System, part: str) -> None:
    _send_and_kill(system, [part], Families(SENIORS, {"CHANNEL_EMAIL": 0, "CHANNEL_SMS": 0}), ["12"])


@pytest.mark.accepts(62, 65, 161, 168, 172, 181, 239, 240)
def test_nothing_is_lost_doubled_or_unscreened_when_all_die_one_after_the_other(system: System) -> None:
    families = Families(FAMILIES, {"CHANNEL_EMAIL": EMAIL_ERRORS, "CHANNEL_SMS": SMS_ERRORS})
    _send_and_kill(system, PARTS, families, [])


def _send_and_kill(system: System, parts: Sequence[str], families: Families, grades: list[str]) -> None:
    mark = new_id()[-10:]
    principal, student, other = (Sender(system, name) for name in ("principal", "student1", "student2"))
    audience = {"school_ids": [system.schools["s1"]], "roles": ["parent"], "grades": grades}
    teacher = {"person_ids": [system.people["teacher"]]}
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
            each.result(60)
    eventually_sync(lambda: check_families(principal, families, sent["message_id"], mark), _SETTLED_SECONDS)
    eventually_sync(lambda: check_threats(principal, mark), _SETTLED_SECONDS)
    check_teacher(Sender(system, "teacher"), mark)
    assert system.broken_entries() == []


def _threat(mark: str) -> str:
    return f"I am going to bring a gun and kill you in class tomorrow. threat-{mark}"


def check_families(principal: Sender, families: Families, message_id: str, mark: str) -> None:
    """Compare the report with the rows behind it and with what reached people."""
    rows = principal.get("reports/history?all_users=1&size=100")["rows"]
    entries = [each for each in rows if each["message_id"] == message_id]
    assert {each["channel"] for each in entries} == set(families.errors)
    for entry in entries:
        counts = {name: int(value or 0) for name, value in entry["counts"].items() if name != "school_id"}
        assert counts["pending"] == counts["held"] == 0
        assert counts["total"] == families.count == counts["sent"] + counts["error"], counts
        reached = principal.system.reached(_ARRIVES_BY[entry["channel"]], f"Closed {mark}")
        assert set(reached.values()) == {1}, "somebody was reached twice"
        assert len(reached) == counts["sent"], (entry["channel"], len(reached), counts)
        unsure = counts["error"] - families.errors[entry["channel"]]
        assert unsure == _unknown_outcomes(principal, entry["entry_id"])
        assert unsure <= _AT_THE_PROVIDER, "families were given up that nobody had tried to reach"


def _unknown_outcomes(principal: Sender, entry_id: str) -> int:
    found, page = 0, 1
    while rows := principal.get(f"entries/{entry_id}/recipients?state=errors&dsize=500&dpage={page}")["deliveries"]:
        found += sum(each["error_code"] == "UNKNOWN_OUTCOME" for each in rows)
        if len(rows) < 500:
            break
        page += 1
    return found


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


def check_teacher(teacher: Sender, mark: str) -> None:
    """Look for anything of the threats that got out."""
    inbox = teacher.get(f"inbox?q={mark}")
    assert (inbox["items"], inbox["unread"]) == ([], "0")
    for channel in ("email", "sms", "push"):
        assert teacher.system.arrivals(channel, f"threat-{mark}") == []
