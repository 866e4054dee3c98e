"""Having texts judged by processes that lend their model (lending.py), as many at a time as they turn out to take.

Nothing depends on them: what nobody lends for, what is late, wrong or refused, the caller judges itself. An answer
is a judgement and no verdict: those who lend store and tell nothing, so one that dies leaves nothing half done.
"""

import asyncio
from collections.abc import Sequence

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from services.kit.logs import get_logger
from services.moderation import loans, metrics
from services.moderation.domain import Judgement
from services.moderation.loans import NotLent
from services.moderation.providers.base import Text

_log = get_logger(__name__)
_LONGEST_SECONDS = 2.0
"""How long an answer may take."""
_REST_SECONDS = 1.0
"""How long nobody is asked after nobody lent, or not well."""
_MOST_ROOM = 16.0
_MORE = 0.1


class Borrowing:
    """Asks those who lend the same model, and learns how much they take at a time."""

    def __init__(self, client: Client, model: str) -> None:
        """Take the connection, which may still be opened, and the version of the model that the caller has."""
        self._client, self._model, self._subject = client, model, loans.subject_of(model)
        self._room = 1.0
        self._rests_until = 0.0

    @property
    def room(self) -> int:
        """How many messages may be lent out at the moment: 0 to 16."""
        is_resting = asyncio.get_running_loop().time() < self._rests_until
        return 0 if is_resting or not self._client.is_connected else int(self._room)

    async def judge(self, texts: Sequence[Text]) -> list[Judgement] | None:
        """Return the judgement on each text of a message; None when nobody gave it: the caller is to judge."""
        found: list[Judgement] | None = None
        try:
            found = await self._ask(texts)
            outcome, self._room = "judged", min(self._room + _MORE, _MOST_ROOM)
        except NotLent as problem:
            outcome = str(problem)
            self._take_less(outcome)
        metrics.borrowed.add(len(texts), {"outcome": outcome})
        return found

    async def _ask(self, texts: Sequence[Text]) -> list[Judgement]:
        try:
            answer = await self._client.request(self._subject, loans.request_of(texts), timeout=_LONGEST_SECONDS)
        except NoRespondersError:
            raise NotLent("none") from None
        except (NatsError, OSError, TimeoutError) as problem:
            raise NotLent("late") from problem
        return loans.judgements_of(answer.data, len(texts), self._model)

    def _take_less(self, outcome: str) -> None:
        if outcome == "busy":
            self._room = max(self._room - 1, 1.0)
            return
        self._room, self._rests_until = 1.0, asyncio.get_running_loop().time() + _REST_SECONDS
        if outcome == "wrong":
            _log.warning("lent_wrong", model=self._model)
