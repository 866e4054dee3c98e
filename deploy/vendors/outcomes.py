"""What becomes of a message, decided by its destination alone, so that a test can choose.

Telephones: the last two digits of a fictional number (+1 XXX 555 01NN); every other number simply receives.
E-mail: a word in the local part, after its last "+" or alone (`ana+bounce@example.org`, `bounce@example.org`,
`bounce12@example.org`), and Amazon's own mailbox simulator. Push: the word before the first "-" of the device token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Habit = Literal["normal", "slow", "twice", "reorder", "silent", "stuck"]
"""How the receipts come: `silent` sends none although asking the vendor tells; `stuck` never learns the end."""


@dataclass(frozen=True)
class Outcome:
    """One row of a table below.

    `end` is the last state in the vendor's words, `code` the vendor's error number for it. `refused` is the error
    number of a request that is not accepted at all; `flaky` the HTTP status of the first request; the second is
    accepted.
    """

    end: str
    says: str
    code: int | None = None
    habit: Habit = "normal"
    refused: int | None = None
    flaky: int | None = None
    detail: str = ""

    @property
    def reaches(self) -> bool:
        """True when the recipient has the message in the end, whether or not a receipt says so."""
        return self.end in ("delivered", "completed", "Delivery", "Complaint") and self.refused is None


_DELIVERED = Outcome("delivered", "received, receipts at once")
_COMPLETED = Outcome("completed", "a person answers and hears all of it")

SMS: dict[str, Outcome] = {
    "85": Outcome("delivered", "the first request answers 500, the next is accepted", flaky=500),
    "86": Outcome("delivered", "the first request answers 429 (20429), the next is accepted", flaky=429),
    "87": Outcome("failed", "request refused: not a mobile number", refused=21614),
    "88": Outcome("failed", "request refused: this number answered STOP", refused=21610),
    "89": Outcome("failed", "request refused: invalid number", refused=21211),
    "90": Outcome("delivered", "received, the receipt is slow", habit="slow"),
    "91": Outcome("undelivered", "unreachable handset (phone is off)", 30003),
    "92": Outcome("undelivered", "unknown handset (number not in service)", 30005),
    "93": Outcome("undelivered", "landline", 30006),
    "94": Outcome("undelivered", "filtered by the carrier", 30007),
    "95": Outcome("undelivered", "unknown error", 30008),
    "96": Outcome("delivered", "received, every receipt comes twice", habit="twice"),
    "97": Outcome("delivered", "received, receipts come in the wrong order", habit="reorder"),
    "98": Outcome("delivered", "received, no receipt ever; the Messages resource tells", habit="silent"),
    "99": Outcome("sent", "the carrier never confirms: stays at sent", habit="stuck"),
}

VOICE: dict[str, Outcome] = {
    "84": Outcome("completed", "answered, presses 1 when asked for a key", detail="press"),
    "85": Outcome("completed", "the first request answers 500, the next is accepted", flaky=500),
    "86": Outcome("completed", "the first request answers 429 (20429), the next is accepted", flaky=429),
    "89": Outcome("failed", "request refused: invalid number", refused=21211),
    "90": Outcome("completed", "answered late, receipts are slow", habit="slow"),
    "91": Outcome("no-answer", "rings out"),
    "92": Outcome("busy", "line is busy"),
    "93": Outcome("failed", "cannot be connected (SIP 404)"),
    "94": Outcome("completed", "an answering machine takes it", detail="machine"),
    "96": Outcome("completed", "answered, every receipt comes twice", habit="twice"),
    "97": Outcome("completed", "answered, receipts come in the wrong order", habit="reorder"),
    "98": Outcome("completed", "answered, no receipt ever; the Calls resource tells", habit="silent"),
    "99": Outcome("ringing", "never gets past ringing", habit="stuck"),
}

EMAIL: dict[str, Outcome] = {
    "success": Outcome("Delivery", "delivered"),
    "bounce": Outcome("Bounce", "hard bounce: no such mailbox", detail="Permanent/General"),
    "softbounce": Outcome("Bounce", "soft bounce: mailbox full", detail="Transient/MailboxFull"),
    "suppressed": Outcome("Bounce", "on the vendor's suppression list", detail="Permanent/Suppressed"),
    "suppressionlist": Outcome("Bounce", "on the vendor's suppression list", detail="Permanent/Suppressed"),
    "complaint": Outcome("Complaint", "delivered, then marked as spam", detail="abuse"),
    "reject": Outcome("Reject", "the vendor finds a virus", detail="Bad content"),
    "ooto": Outcome("Delivery", "delivered; an out-of-office note comes back"),
    "slow": Outcome("Delivery", "delivered, the event is slow", habit="slow"),
    "twice": Outcome("Delivery", "delivered, every event comes twice", habit="twice"),
    "reorder": Outcome("Delivery", "delivered, events come in the wrong order", habit="reorder"),
    "silent": Outcome("Delivery", "delivered, no event ever", habit="silent"),
    "stuck": Outcome("Send", "never arrives, and nobody says so", habit="stuck"),
    "throttled": Outcome("Delivery", "the first request answers 429, the next is accepted", flaky=429),
    "flaky": Outcome("Delivery", "the first request answers 500, the next is accepted", flaky=500),
}

PUSH: dict[str, Outcome] = {
    "gone": Outcome("failed", "the first publish is taken, then the endpoint is disabled, as when an app is removed"),
    "throttled": Outcome("delivered", "the first request answers 429, the next is accepted", flaky=429),
    "flaky": Outcome("delivered", "the first request answers 500, the next is accepted", flaky=500),
}

_FICTIONAL = re.compile(r"\+1[2-9]\d{2}55501(\d{2})")


def phone_outcome(table: dict[str, Outcome], number: str) -> Outcome:
    """The outcome for an E.164 number in SMS or VOICE."""
    default = _COMPLETED if table is VOICE else _DELIVERED
    match = _FICTIONAL.fullmatch(number)
    return table.get(match[1], default) if match else default


def email_outcome(address: str) -> Outcome:
    """The outcome for an e-mail address; a domain that ends in .invalid has no mail server."""
    local, _, domain = address.lower().rpartition("@")
    if domain.endswith(".invalid"):
        return EMAIL["bounce"]
    return EMAIL.get(local.rpartition("+")[2].rstrip("0123456789.-_"), EMAIL["success"])


def push_outcome(token: str) -> Outcome:
    """The outcome for a device token."""
    return PUSH.get(token.partition("-")[0].lower(), _DELIVERED)


@dataclass(frozen=True)
class Planned:
    """One step of a message's life: which one, after how many seconds, and how often it is told to the caller."""

    step: int
    after_seconds: float
    times_told: int


def plan_receipts(offsets: Sequence[float], habit: Habit, mode: str, late_seconds: float = 0.0) -> list[Planned]:
    """When each step happens and how often it is told, in order of time.

    `offsets` are the usual times in seconds of steps 0, 1, …; `habit` is the destination's and `mode` the outage mode.
    A stuck destination loses its last step. Asking the vendor tells every step that is in the plan, told or not.
    """
    steps = list(enumerate(offsets))
    if habit == "stuck":
        steps = steps[:-1]
    if habit == "reorder" or mode == "reorder":
        steps = [(step, offset) for (step, _), (_, offset) in zip(reversed(steps), steps, strict=True)]
    told = 2 if habit == "twice" or mode == "duplicate_receipts" else 1
    if habit == "silent" or mode == "drop_receipts":
        told = 0
    extra = late_seconds if mode == "late_receipts" else 0.0
    return [Planned(step, offset + extra, told) for step, offset in steps]


def outcome_tables() -> dict[str, dict[str, str]]:
    """Every rule in words, for the page and for /control/outcomes."""
    tables = {"sms": SMS, "voice": VOICE, "email": EMAIL, "push": PUSH}
    return {name: {key: row.says for key, row in table.items()} for name, table in tables.items()}
