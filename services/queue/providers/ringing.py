"""Which of a person's numbers an attempt rings: the one whose turn it is, or the next where that is refused."""

import time
from collections.abc import Awaitable, Callable

from services.queue.calling import in_turn, is_last, turns_before
from services.queue.failures import OURS, explain
from services.queue.providers.base import QUICK_SECONDS, Answer, Handed
from services.queue.work import Delivery, Work

_OF_ONE_NUMBER = frozenset({"permanent", OURS})
"""Classes of refusal after which another number may still be rung: it may be in a country that is switched on."""


async def ring_in_turn(
    provider: str, work: Work, recipient: Delivery, ring: Callable[[str], Awaitable[Handed]]
) -> Handed:
    """Ring the number whose turn it is; one that the provider refuses for good leaves the turn to the next.

    That one has had its own turn then: the next attempt goes on behind it.
    A refusal that came late leaves it to the next attempt: one hand-over lasts little longer than one request.
    """
    answer = Handed(recipient.number, Answer.NOT_TRIED)
    started = time.monotonic()
    numbers = in_turn(recipient.destination, work.batch.attempt)
    for place, number in enumerate(numbers):
        answer = await ring(number)
        if answer.answer is Answer.TAKEN:
            return answer._replace(turns=turns_before(recipient.destination, work.batch.attempt, place))
        if answer.answer is not Answer.REFUSED or explain(provider, answer.code).kind not in _OF_ONE_NUMBER:
            break
        if time.monotonic() - started > QUICK_SECONDS:
            has_next = number != numbers[-1] and not is_last(recipient.destination, work.batch.attempt)
            return answer._replace(has_next=has_next)
    return answer
