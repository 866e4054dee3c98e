"""Finding out what became of deliveries whose dispatcher died between the provider's call and the settling commit."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.kit.db import transaction
from services.kit.errors import Unavailable
from services.kit.logs import get_logger
from services.queue import metrics
from services.queue.actions.answers import Settlement
from services.queue.actions.dispatch import Dispatcher
from services.queue.actions.settle import Done, settle
from services.queue.domain import DeliveryKey, Lane, State, after_acceptance
from services.queue.failures import meaning
from services.queue.providers.base import Found, Trace
from services.queue.records import KIND_ALERT, Outcome, Receipt
from services.queue.store import batches, loading, outcomes
from services.queue.work import Delivery, Work

_log = get_logger(__name__)


async def recover_one(dispatcher: Dispatcher) -> bool:
    """Settle one batch whose dispatcher died or could not tell; False when there is none.

    What was certainly not handed over is queued again. Of the rest, receipts and the provider are asked; what neither
    knows is an error, except in an emergency or an alert, which is sent again.
    """
    now = dispatcher.clock()
    async with transaction(dispatcher.engine) as connection:
        batch = await batches.take_over(connection, now, timedelta(seconds=dispatcher.lease_seconds))
        if batch is None:
            return False
        (work,) = await loading.load(connection, [batch])
    try:
        await settle_lost(dispatcher, work)
    except Unavailable:
        # The lease that the take-over set says when the provider is asked again.
        _log.warning("provider_not_asked", batch_id=batch.batch_id, entry_id=batch.entry_id)
    return True


async def settle_lost(dispatcher: Dispatcher, work: Work) -> None:
    """Settle a batch that was taken over after its provider had been called. Raises Unavailable."""
    known, unasked = await _known(dispatcher, work)
    settlement = Settlement(unsure=unasked)
    for number, found in known.items():
        metrics.recovered.add(1, {"found": found.found.value})
        _decide(dispatcher, work, number, found, settlement)
    await settle(dispatcher.engine, dispatcher.clock, [Done(work.batch, settlement)], dispatcher.pace)


async def _known(dispatcher: Dispatcher, work: Work) -> tuple[dict[int, Trace], list[int]]:
    """Return what receipts and the provider know of a batch's deliveries, and of which it cannot be asked now.

    What receipts prove need not wait for the rest. Raises Unavailable where they prove nothing.
    """
    proven = await _proven_by_receipts(dispatcher, work)
    begun = set(work.batch.numbers[: work.batch.begun]) - set(proven)
    unproven = [each for each in work.recipients if each.number in begun and each.destination and not each.problem]
    traces: Mapping[int, Trace] = {}
    unasked: list[int] = []
    try:
        traces = await _traces(dispatcher, work, unproven) if unproven else {}
    except Unavailable:
        if not proven:
            raise
        unasked = [each.number for each in unproven]
    found = {each.number: Trace(Found.NOT_TAKEN) for each in work.recipients} | dict(traces) | proven
    return {number: each for number, each in found.items() if number not in unasked}, unasked


async def _proven_by_receipts(dispatcher: Dispatcher, work: Work) -> dict[int, Trace]:
    """Return the deliveries of which a receipt has come; the receipts stay, settling uses them up."""
    wanted = {work.batch.key(each.number) for each in work.recipients}
    async with transaction(dispatcher.engine) as connection:
        kept = await outcomes.kept_of(connection, [work.batch.entry_id])
    found = {}
    for _, receipt in kept:
        key = DeliveryKey.parse(receipt.delivery_key)
        if key in wanted:
            found[key.number] = Trace(Found.TAKEN, receipt.provider_message_id, provider=receipt.provider)
    return found


async def _traces(dispatcher: Dispatcher, work: Work, unproven: Sequence[Delivery]) -> Mapping[int, Trace]:
    """Return what the provider knows of the deliveries that it may have taken. Raises Unavailable."""
    provider = dispatcher.providers.get(work.batch.channel)
    if provider is None:
        # The channel is not set up any more: there is nobody to ask.
        return {each.number: Trace(Found.CANNOT_TELL) for each in unproven}

    async def others(ids: Sequence[str]) -> set[str]:
        return await _of_others(dispatcher, work, ids)

    return await dispatcher.failover.trace(provider, work, unproven, others)


async def _of_others(dispatcher: Dispatcher, work: Work, ids: Sequence[str]) -> set[str]:
    """Return those of the provider's ids that belong to deliveries which are not in question."""
    async with transaction(dispatcher.engine) as connection:
        return await outcomes.owned(connection, ids, [str(work.batch.key(each.number)) for each in work.recipients])


def _decide(dispatcher: Dispatcher, work: Work, number: int, trace: Trace, settlement: Settlement) -> None:
    batch = work.batch
    receipt_wait = timedelta(seconds=dispatcher.pace.receipt_wait_seconds)
    if trace.found is Found.TAKEN:
        settlement.outcomes.append(_taken(dispatcher, work, number, trace))
    elif trace.found is Found.NOT_TAKEN:
        settlement.not_tried.append(number)
    elif batch.calling_at and dispatcher.clock() < batch.calling_at + receipt_wait:
        settlement.unsure.append(number)
    elif work.content.is_emergency or work.content.kind == KIND_ALERT or batch.lane is Lane.ALERT:
        # Twice is better than never when a school is locked down.
        settlement.again.append(number)
    else:
        settlement.outcomes.append(Outcome(number, State.ERROR, batch.attempt, "lantern", "", "UNKNOWN_OUTCOME"))


def _taken(dispatcher: Dispatcher, work: Work, number: int, trace: Trace) -> Outcome:
    """Return the outcome of a delivery that the provider has, as far as the provider told."""
    batch, provider = work.batch, trace.provider or dispatcher.providers[work.batch.channel].name
    outcome = Outcome(number, after_acceptance(batch.channel), batch.attempt, provider, trace.provider_message_id)
    if not trace.status:
        return outcome
    now = dispatcher.clock()
    said = meaning(Receipt(provider, trace.provider_message_id, "", trace.status, trace.code, now))
    if said is None or said.state is State.HANDED_OFF or said.may_redial:
        # A call that nobody took stays handed off until its receipt comes or is asked for: then it is made again.
        return outcome
    return outcome._replace(state=said.state, error_code=said.error_code)
