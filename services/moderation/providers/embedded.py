"""The embedded model as a provider: always there, in this process, without a network."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services.moderation.domain import Category, Explanation, Judgement
from services.moderation.model.scoring import Model
from services.moderation.providers.base import Text

_SURE = 0.5


class Embedded:
    """Judges with the model that is built in. It evaluates all ten categories."""

    name = "embedded"

    def __init__(self, model: Model) -> None:
        """Take a loaded model."""
        self._model = model
        # One thread, so that a replica is worth one core and another replica another: two threads of one process
        # would wait for the interpreter's lock and judge hardly more than one does.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        """Return all ten scores of each text; the work is done in a thread, so that health and heartbeats go on."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._judge_all, texts)

    def _judge_all(self, texts: Sequence[Text]) -> list[Judgement]:
        return [self._judge(text) for text in texts]

    def _judge(self, text: Text) -> Judgement:
        scores = self._model.score(text.text, text.language or None)
        by_category = {name: scores.as_dict()[name] for name in Category}
        why = {Category(name): Explanation(each.sentence, each.words) for name, each in scores.explanation.items()}
        is_sure = scores.confidence >= _SURE
        language = scores.language if is_sure else ""
        return Judgement(by_category, self.name, scores.model, why, scores.encoded or not is_sure, language)
