"""What provider codes mean: class, sentence and remedy, from failures.csv; what receipts say about a delivery.

Classes: permanent (this delivery failed), temporary (try again), ours (our set-up is at fault; nobody's contact is),
sender (nothing leaves by this number of ours, whomever we write to), account (the provider takes nothing from us until
a person puts our account in order, or its daily limit has room again), busy (it takes no more for now), opted_out,
expired (the delivery's time ended at the provider).

Twilio advises against logic on single codes, since general ones get split: an unknown code has its provider's default.
Amazon's services share the codes about keys and haste (the rows of `aws`).
"""

import csv
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from services.queue.domain import State
from services.queue.records import Receipt

_TABLE = Path(__file__).with_name("failures.csv")
_ANY = "*"
_FAX = "fax"
_SHARED: Final = dict.fromkeys(("ses", "sns", "aws_sms", "aws_voice"), "aws")
ACCOUNT: Final = "account"
BUSY: Final = "busy"
SENDER: Final = "sender"
OURS: Final = "ours"
_PASSING: Final = frozenset({ACCOUNT, BUSY})
REFUSALS: Final = frozenset({ACCOUNT, SENDER})
"""Classes that concern all whom we write to by this provider."""


@dataclass(frozen=True)
class Failure:
    """One row of failures.csv."""

    kind: str
    """permanent, temporary, ours, sender, account, busy, opted_out or expired."""
    sentence: str
    remedy: str


@dataclass(frozen=True)
class Meaning:
    """What a receipt says about its delivery."""

    state: State
    error_code: str = ""
    is_hard_bounce: bool = False
    may_redial: bool = False
    """Nobody took the call: it may be tried again."""
    kind: str = ""
    """Class of the failure in failures.csv; empty: it does not say that the delivery failed."""


@cache
def _failures() -> dict[tuple[str, str], Failure]:
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return {
            (row["provider"], row["code"]): Failure(row["class"], row["sentence"], row["remedy"])
            for row in csv.DictReader(lines)
        }


def explain(provider: str, code: str) -> Failure:
    """Return what the code means; the nearest row when there is none for the whole code."""
    table = _failures()
    known = provider if (provider, _ANY) in table else "lantern"
    candidates = [code]
    while "/" in candidates[-1]:
        candidates.append(candidates[-1].rpartition("/")[0])
    for candidate in candidates:
        if found := _row(known, candidate):
            return found
    return table[known, _ANY]


def _row(provider: str, code: str) -> Failure | None:
    table = _failures()
    return table.get((provider, code)) or table.get((_SHARED.get(provider, provider), code))


def coded(provider: str, status: int, code: str) -> str:
    """Return the code of a refusal. One that is not known stands behind its HTTP status where that says enough."""
    if _row(provider, code) or not _row(provider, str(status)):
        return code
    return f"{status}/{code}" if code else str(status)


def is_passing(provider: str, code: str) -> bool:
    """Tell whether a refusal says nothing about the recipient: the provider will take it once our account is in order,
    or once it is less busy.
    """
    return explain(provider, code).kind in _PASSING


def explained(provider: str, code: str) -> str:
    """Return what the Error column says of a code: sentence, remedy and the code itself."""
    failure = explain(provider, code)
    return " ".join(part for part in (failure.sentence, failure.remedy, code) if part)


_TWILIO: Final = {
    "delivered": State.SENT,
    "read": State.SENT,
    "undelivered": State.ERROR,
    "failed": State.ERROR,
    "canceled": State.ERROR,
    "accepted": State.HANDED_OFF,
    "scheduled": State.HANDED_OFF,
    "queued": State.HANDED_OFF,
    "sending": State.HANDED_OFF,
    "sent": State.HANDED_OFF,
}
_TWILIO_VOICE: Final = {
    "queued": State.HANDED_OFF,
    "initiated": State.HANDED_OFF,
    "ringing": State.HANDED_OFF,
    "in-progress": State.HANDED_OFF,
    # By a person or, after the beep, by a machine.
    "completed": State.SENT,
    "busy": State.ERROR,
    "no-answer": State.ERROR,
    "failed": State.ERROR,
    "canceled": State.ERROR,
}
_SES: Final = {
    "send": State.HANDED_OFF,
    "deliverydelay": State.HANDED_OFF,
    "delivery": State.SENT,
    "open": State.SENT,
    "click": State.SENT,
    # A complaint comes from a person who has the message.
    "complaint": State.SENT,
    "bounce": State.ERROR,
    "reject": State.ERROR,
    "rendering failure": State.ERROR,
    "renderingfailure": State.ERROR,
}
_SNS: Final = {"success": State.SENT, "delivered": State.SENT, "failure": State.ERROR, "failed": State.ERROR}
_AWS_SMS: Final = {
    **dict.fromkeys(("text_pending", "text_queued", "text_sent"), State.HANDED_OFF),
    # The carrier has it, the telephone not yet, for all that is known.
    "text_successful": State.HANDED_OFF,
    "text_delivered": State.SENT,
    **dict.fromkeys(
        (
            *("text_invalid", "text_invalid_message", "text_unreachable", "text_carrier_unreachable", "text_blocked"),
            *("text_carrier_blocked", "text_spam", "text_unknown", "text_ttl_expired", "text_protect_blocked"),
        ),
        State.ERROR,
    ),
}
_AWS_VOICE: Final = {
    **dict.fromkeys(("voice_initiated", "voice_ringing", "voice_answered"), State.HANDED_OFF),
    # To a person or a voicemail system, of which nothing is told.
    "voice_completed": State.SENT,
    **dict.fromkeys(("voice_busy", "voice_no_answer", "voice_failed", "voice_ttl_expired"), State.ERROR),
}
"""Both: https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-types.html"""
_SANDBOX: Final = {"delivered": State.SENT}
_STATUSES: Final = {
    "twilio": _TWILIO,
    "twilio_voice": _TWILIO_VOICE,
    "aws_sms": _AWS_SMS,
    "aws_voice": _AWS_VOICE,
    "ses": _SES,
    "sns": _SNS,
    "sandbox": _SANDBOX,
}
_CALLING: Final = frozenset({"twilio_voice", "aws_voice"})
PROVIDERS: Final = frozenset(_STATUSES)
"""Providers whose receipts are known."""


def meaning(receipt: Receipt) -> Meaning | None:
    """Return what the receipt says; None when the provider or its status is not known."""
    return _meaning(receipt.provider, receipt.status, receipt.error_code)


_STATES: Final = {"opted_out": State.OPTED_OUT, "expired": State.EXPIRED}
"""Classes of failure that are no error."""


@lru_cache(1_000)
def _meaning(provider: str, status: str, error_code: str) -> Meaning | None:
    state = _STATUSES.get(provider, {}).get(status.strip().lower())
    if provider == "twilio_voice" and error_code == _FAX:
        state = State.ERROR
    if state is not State.ERROR:
        return Meaning(state) if state else None
    code = _code_of(provider, status.strip(), error_code)
    kind = explain(provider, code).kind
    if kind in _STATES:
        return Meaning(_STATES[kind], code, kind=kind)
    may_redial = provider in _CALLING and kind == "temporary"
    return Meaning(State.ERROR, code, _is_hard_bounce(provider, code), may_redial, kind)


def _code_of(provider: str, status: str, error_code: str) -> str:
    """Return the code under which failures.csv explains it: SES tells kind and sub-kind of a bounce apart."""
    if provider != "ses":
        return error_code or status
    if not error_code:
        return status
    is_whole = error_code.lower().startswith(status.lower())
    return error_code if is_whole else f"{status}/{error_code}"


def _is_hard_bounce(provider: str, code: str) -> bool:
    return provider == "ses" and code.lower().startswith("bounce/permanent")
