"""The embedded model as a provider: always there, in this process, without a network."""

import asyncio

from services.moderation.domain import Category, Judgement
from services.moderation.model.scoring import Model
from services.moderation.providers.base import Text

_SURE = 0.5


class Embedded:
    """Judges with the model that is built in. It evaluates all ten categories."""

    name = "embedded"

    def __init__(self, model: Model) -> None:
        """Take a loaded model."""
        self._model = model

    async def judge(self, text: Text) -> Judgement:
        """Return all ten scores; the work is done in a thread, so that health and heartbeats go on."""
        return await asyncio.to_thread(self.judge_now, text)

    def judge_now(self, text: Text) -> Judgement:
        """Return the same, on this thread."""
        scores = self._model.score(text.text, text.language or None)
        by_category = {name: scores.as_dict()[name] for name in Category}
        strongest = max(by_category, key=lambda name: by_category[name])
        reason = scores.explanation.get(strongest)
        is_uncertain = scores.encoded or scores.confidence < _SURE
        return Judgement(by_category, self.name, scores.model, reason.sentence if reason else "", is_uncertain)
