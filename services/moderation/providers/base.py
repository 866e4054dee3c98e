"""What a provider is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.moderation.domain import Judgement, Outcome


@dataclass(frozen=True)
class Text:
    """A text to judge, with what may leave our system: no names (statement 175)."""

    text: str
    language: str
    content_id: str
    author_key: str
    conversation_key: str
    local: Outcome | None = None
    """What the policy makes of the embedded model's judgement, for a provider that is told of it."""


class ProviderUnavailable(Exception):
    """The provider gave no judgement now; its text is a constant word for the metrics (`timeout`, `rate_limit`, …)."""

    def __init__(self, kind: str, *, retry_after_seconds: float = 0.0, is_lasting: bool = False) -> None:
        """`retry_after_seconds` is for how long the provider asks to be left alone; 0 when it does not say.

        `is_lasting`: waiting does not help, as when a quota is used up or a key revoked.
        """
        super().__init__(kind)
        self.retry_after_seconds, self.is_lasting = retry_after_seconds, is_lasting


class TextRefused(ProviderUnavailable):
    """The provider answers, and refuses this text: it is not out, and asking again would change nothing."""

    def __init__(self, kind: str) -> None:
        """Lasting, by its nature."""
        super().__init__(kind, is_lasting=True)


class Provider(Protocol):
    """Judges the texts of one message."""

    name: str

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        """Return, for each text, the scores of the categories it evaluated. ProviderUnavailable if it cannot say."""
