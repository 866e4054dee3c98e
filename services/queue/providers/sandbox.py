"""A provider that delivers to nobody: for drills and rehearsals, when all must run and no phone may ring."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from services.queue.domain import BATCH_SIZE, Channel
from services.queue.providers.base import Answer, Found, Handed, MayContinue, Others, Trace
from services.queue.work import Delivery, Work

_DELIVERED = "delivered"


@dataclass(frozen=True)
class SandboxSettings:
    """Which recipients of each entry fare badly, by their number; 0 means none of them."""

    refuses_every: int = 0
    """Every nth is refused for good."""
    is_busy_every: int = 0
    """Every nth is asked to come again, at the first attempt."""


class Sandbox:
    """The adapter of one channel: takes everything, and tells that it arrived when it is asked."""

    name = "sandbox"
    tells = True
    slice_size = BATCH_SIZE

    def __init__(self, channel: Channel, settings: SandboxSettings) -> None:
        """Nothing is ever connected."""
        self.channel, self._settings = channel, settings

    async def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Take all at once; the id of each is its delivery key."""
        numbers = [each.number for each in recipients]
        if await may_continue(numbers[-1]):
            yield self._answers(work, numbers)
        else:
            yield [Handed(number, Answer.NOT_TRIED) for number in numbers]

    def _answers(self, work: Work, numbers: Sequence[int]) -> list[Handed]:
        entry_id, attempt = work.batch.entry_id, work.batch.attempt
        refused, busy = self._settings.refuses_every, self._settings.is_busy_every if attempt == 1 else 0
        answers = [Handed(number, Answer.TAKEN, f"{entry_id}.{number}.{attempt}") for number in numbers]
        for position, number in enumerate(numbers):
            if refused and number % refused == 0:
                answers[position] = Handed(number, Answer.REFUSED, code="REFUSED")
            elif busy and number % busy == 1 % busy:
                answers[position] = Handed(number, Answer.REFUSED, code="BUSY")
        return answers

    async def trace(self, work: Work, recipients: Sequence[Delivery], others: Others) -> Mapping[int, Trace]:
        """Answer that nothing was taken: nothing ever reaches anybody, so that sending again does no harm."""
        return {each.number: Trace(Found.NOT_TAKEN) for each in recipients}

    async def ask(self, provider_message_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Answer that everything arrived."""
        return dict.fromkeys(provider_message_ids, (_DELIVERED, ""))

    async def close(self) -> None:
        """Nothing is open."""
