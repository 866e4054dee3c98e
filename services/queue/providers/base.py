"""What an adapter does: hand over, find out whether something was handed over, ask what became of it.

An adapter never retries: the queue owns the only retry. Its answers are exact about one thing above all, whether the
provider certainly did not take a message, because only then may it be sent again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple, Protocol

from services.queue.domain import Channel
from services.queue.work import Batch, Delivery, Work


class Answer(StrEnum):
    """What came of handing one delivery over."""

    TAKEN = "taken"
    """The provider has it."""
    REFUSED = "refused"
    """The provider will not take it: code says why; failures.csv says whether to try again."""
    UNREACHABLE = "unreachable"
    """The provider was certainly not reached, is too busy, or takes nothing from our account: nothing was taken."""
    UNSURE = "unsure"
    """A time-out or broken connection after the request had left: nobody knows yet."""
    NOT_TRIED = "not_tried"
    """The lease or the delivery's time ended first."""


class Handed(NamedTuple):
    """The answer about one recipient."""

    number: int
    answer: Answer
    provider_message_id: str = ""
    code: str = ""
    retry_after_seconds: float | None = None
    has_next: bool = False
    """What was refused is one of the recipient's numbers: the next attempt rings another."""
    turns: int = 0
    """Attempts that are over beside this one: numbers that were refused before the one that was rung."""


class Found(Enum):
    """Whether the provider knows a delivery."""

    TAKEN = "taken"
    NOT_TAKEN = "not_taken"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True)
class Trace:
    """What the provider knows about one delivery whose outcome was lost."""

    found: Found
    provider_message_id: str = ""
    status: str = ""
    code: str = ""
    provider: str = ""
    """Whose delivery it is; empty: the channel's usual provider."""


QUICK_SECONDS = 1.0
"""What was refused sooner may be tried in another way at once."""
Write = Callable[[Work, Delivery], str]
"""Returns the text for one recipient, the same one each time."""
Others = Callable[[Sequence[str]], Awaitable[set[str]]]
"""Answers which of the provider's ids belong to deliveries that are not in question."""
MayContinue = Callable[[int], Awaitable[bool]]
"""Tells whether the call for a recipient's number may begin: it is recorded, the lease holds, the time has not come."""


class Provider(Protocol):
    """One way to one company."""

    name: str
    """As receipts and failures.csv name it."""
    channel: Channel
    tells: bool
    """Whether it can be asked what became of a delivery."""
    slice_size: int
    """For how many recipients at a time it is recorded that their calls begin, at least as many as there are calls at
    the same time. Small where nobody can be asked later what came of them: a crash leaves up to two and a half slices
    in question."""

    def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Begin the calls in the recipients' order, and yield an answer for each in any order, as soon as they come.

        Never raises for what a provider does.
        """
        ...

    async def trace(self, work: Work, recipients: Sequence[Delivery], others: Others) -> Mapping[int, Trace]:
        """Return, by number, what the provider knows about deliveries of this batch's attempt. Raises Unavailable."""
        ...

    async def ask(self, provider_message_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Return status and error code by the provider's id, for those that it tells about. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """End the connections."""
        ...


class Standby(Provider, Protocol):
    """One that takes over from a channel's usual provider."""

    def takes(self, batch: Batch) -> bool:
        """Tell whether it can carry a batch; others wait for the usual provider."""
        ...
