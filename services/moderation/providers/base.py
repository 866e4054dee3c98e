"""What a provider is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.moderation.domain import Judgement


@dataclass(frozen=True)
class Text:
    """A text to judge, with what may leave our system: no names (statement 175)."""

    text: str
    language: str
    content_id: str
    author_key: str
    conversation_key: str


class ProviderUnavailable(Exception):
    """The provider gave no judgement now; its text is a constant word for the metrics (`timeout`, `rate_limit`, …)."""


class Provider(Protocol):
    """Judges the texts of one message."""

    name: str

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        """Return, for each text, the scores of the categories it evaluated. ProviderUnavailable if it cannot say."""
