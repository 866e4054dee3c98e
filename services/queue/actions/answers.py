"""What the answers of a provider mean for the deliveries of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.queue.domain import MAX_ATTEMPTS, State, after_acceptance
from services.queue.failures import BUSY, REFUSALS, explain
from services.queue.providers.base import Answer, Handed
from services.queue.records import Outcome
from services.queue.work import Batch

_NOT_OF_THE_RECIPIENT = REFUSALS | {BUSY}


@dataclass
class Settlement:
    """What is known of a batch's deliveries. Recipients that are in none of the lists stay where they are."""

    outcomes: list[Outcome] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    """To be tried again, as another attempt."""
    passed_on: list[int] = field(default_factory=list)
    """To be tried as another attempt, at once: the next of the recipient's numbers has its turn."""
    not_tried: list[int] = field(default_factory=list)
    """To be tried as the same attempt, at once: nothing was handed over."""
    unreached: list[int] = field(default_factory=list)
    """To be tried as the same attempt after a pause: the provider was not there, too busy, or refused our account."""
    unsure: list[int] = field(default_factory=list)
    """To be asked about."""
    retry_after_seconds: float = 0.0
    """What the provider asked for."""
    account_code: str = ""
    """With which code the provider refused our account; empty: it did not."""


def sort_answers(batch: Batch, provider: str, answers: Sequence[Handed]) -> Settlement:
    """Decide what each answer of the provider means."""
    settlement = Settlement()
    attempt, accepted = batch.attempt, after_acceptance(batch.channel)
    add = settlement.outcomes.append
    for each in answers:
        if each.answer is Answer.TAKEN:
            add(Outcome(each.number, accepted, attempt + each.turns, provider, each.provider_message_id))
        else:
            _sort(batch, provider, each, settlement)
    return settlement


def kind_of(provider: str, handed: Handed) -> str:
    """Return the class in failures.csv of what a provider would not take; empty where it said nothing of that kind."""
    kind = explain(provider, handed.code).kind
    if handed.answer is Answer.UNREACHABLE:
        return kind if kind in _NOT_OF_THE_RECIPIENT else ""
    return kind if handed.answer is Answer.REFUSED else ""


def refuses_account(provider: str, handed: Handed) -> bool:
    """Tell whether a provider takes nothing from our account, or from the only sender that we have."""
    return handed.answer is Answer.UNREACHABLE and explain(provider, handed.code).kind in REFUSALS


def _sort(batch: Batch, provider: str, handed: Handed, settlement: Settlement) -> None:
    number = handed.number
    if handed.answer is Answer.UNSURE:
        settlement.unsure.append(number)
    elif handed.answer is Answer.NOT_TRIED:
        settlement.not_tried.append(number)
    elif handed.answer is Answer.UNREACHABLE:
        settlement.retry_after_seconds = max(settlement.retry_after_seconds, handed.retry_after_seconds or 0.0)
        settlement.unreached.append(number)
        if refuses_account(provider, handed):
            settlement.account_code = handed.code
    else:
        _refused(batch, provider, handed, settlement)


def _refused(batch: Batch, provider: str, handed: Handed, settlement: Settlement) -> None:
    if handed.has_next:
        settlement.passed_on.append(handed.number)
        return
    kind = explain(provider, handed.code).kind
    if kind == "temporary":
        _again(batch, handed, settlement)
        return
    state = State.OPTED_OUT if kind == "opted_out" else State.ERROR
    settlement.outcomes.append(Outcome(handed.number, state, batch.attempt, provider, "", handed.code or "REFUSED"))


def _again(batch: Batch, handed: Handed, settlement: Settlement) -> None:
    if batch.attempt < MAX_ATTEMPTS:
        settlement.again.append(handed.number)
    else:
        failed = Outcome(handed.number, State.ERROR, batch.attempt, "lantern", "", "RETRIES_EXHAUSTED")
        settlement.outcomes.append(failed)
