"""The embedded model as a provider: always there, in this process, without a network.

While its thread has enough to do, what waits is offered to those who lend the same model, if there are any. What they
do not judge stands before all that waits; what they are slow to judge the thread takes back as soon as it has nothing
else to do, so that the slowest of them holds up nobody.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from services.moderation import loans
from services.moderation.borrowing import Borrowing
from services.moderation.domain import Category, Explanation, Judgement
from services.moderation.model.scoring import Model
from services.moderation.providers.base import Text

AT_ONCE = 2
"""Messages that the thread has at a time: one at work and one that waits, so that it need not wait for the loop."""
_SURE = 0.5


@dataclass(eq=False)
class _Wanted:
    """The texts of a message that somebody waits for."""

    texts: Sequence[Text]
    judged: asyncio.Future[list[Judgement]]
    may_be_lent: bool


class Embedded:
    """Judges with the model that is built in. It evaluates all ten categories."""

    name = loans.PROVIDER

    def __init__(self, model: Model, borrowing: Borrowing | None = None) -> None:
        """Take a loaded model and, for a replica, what asks those who lend the same."""
        self._model, self._borrowing = model, borrowing
        # One thread, so that a replica is worth one core and another replica another: two threads of one process
        # would wait for the interpreter's lock and judge hardly more than one does.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._waiting: deque[_Wanted] = deque()
        self._lent: list[_Wanted] = []
        self._here = self._elsewhere = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def version(self) -> str:
        """The model's version."""
        return self._model.version

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        """Return all ten scores of each text; the work is done in a thread, so that health and heartbeats go on."""
        wanted = _Wanted(texts, asyncio.get_running_loop().create_future(), loans.is_short(texts))
        self._waiting.append(wanted)
        self._hand_out()
        try:
            return await wanted.judged
        finally:
            # Whoever gave up waiting takes nobody's time.
            if wanted in self._waiting:
                self._waiting.remove(wanted)

    def _hand_out(self) -> None:
        """Give what waits, in its order, to the thread as far as it has room, and further ones to those who lend."""
        while self._here < AT_ONCE and (wanted := self._next_here()):
            self._here += 1
            self._start(self._judge_here(wanted))
        while self._borrowing and self._elsewhere < self._borrowing.room and (wanted := self._next_lent()):
            self._elsewhere += 1
            self._start(self._judge_elsewhere(wanted, self._borrowing))

    def _next_here(self) -> _Wanted | None:
        if self._waiting:
            return self._waiting.popleft()
        late = next((each for each in self._lent if not each.judged.done()), None) if not self._here else None
        if late:
            self._lent.remove(late)
        return late

    def _next_lent(self) -> _Wanted | None:
        wanted = next((each for each in self._waiting if each.may_be_lent), None)
        if wanted:
            wanted.may_be_lent = False
            self._waiting.remove(wanted)
            self._lent.append(wanted)
        return wanted

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _judge_here(self, wanted: _Wanted) -> None:
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, self._judge_all, wanted.texts)
            _give(wanted, found)
        except Exception as problem:  # noqa: BLE001  it is whoever waits that has to know
            if not wanted.judged.done():
                wanted.judged.set_exception(problem)
        finally:
            self._here -= 1
            self._hand_out()

    async def _judge_elsewhere(self, wanted: _Wanted, borrowing: Borrowing) -> None:
        found = None
        try:
            found = await borrowing.judge(wanted.texts)
        finally:
            self._elsewhere -= 1
            is_lent = wanted in self._lent
            if is_lent:
                self._lent.remove(wanted)
            if found is not None:
                _give(wanted, found)
            elif is_lent and not wanted.judged.done():
                self._waiting.appendleft(wanted)
            self._hand_out()

    def _judge_all(self, texts: Sequence[Text]) -> list[Judgement]:
        return [self._judge(text) for text in texts]

    def _judge(self, text: Text) -> Judgement:
        scores = self._model.score(text.text, text.language or None)
        by_category = {name: scores.as_dict()[name] for name in Category}
        why = {Category(name): Explanation(each.sentence, each.words) for name, each in scores.explanation.items()}
        is_sure = scores.confidence >= _SURE
        language = scores.language if is_sure else ""
        return Judgement(by_category, self.name, scores.model, why, scores.encoded or not is_sure, language)


def _give(wanted: _Wanted, judged: list[Judgement]) -> None:
    if not wanted.judged.done():
        wanted.judged.set_result(judged)
