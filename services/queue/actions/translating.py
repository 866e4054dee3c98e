"""Translating messages, once for each language, and what follows when a language is decided.

What is not there by the deadline goes out as it was written: here, or with the dispatcher that claims its batches,
whoever is first. The first decision stands; texts and decision are written in one transaction.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.logs import get_logger
from services.queue import metrics, questions
from services.queue.actions.screening import let_go_if_through
from services.queue.providers.amazon_translate import AmazonTranslate, Rendered
from services.queue.records import Message
from services.queue.stop_points import reach
from services.queue.store import messages, surveys, translations
from services.queue.store.translations import Claimed
from services.queue.surveys import Survey
from services.queue.translating import NOT_SET_UP, REFUSED, TOO_LATE, code_of, texts_of, whole

_log = get_logger(__name__)
_AT_ONCE = 8
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=0.5), timedelta(seconds=30)
_MOST_DOUBLED = 6
Around = Callable[[Survey, str], Sequence[str] | None]
"""Returns the English words around the links of a poll or sign-up that are to be translated into a language, if any."""


@dataclass(frozen=True)
class Translating:
    """Translates what is wanted; every dispatcher runs one for what is urgent and one for the rest."""

    engine: AsyncEngine
    clock: Clock
    provider: AmazonTranslate | None
    """None: translation is not set up, and everything goes out as it was written."""
    around: Around | None = None
    """None: there are no polls and no sign-ups."""
    is_urgent: bool = False
    """Translates alone what goes ahead of everything else, or alone the rest: an emergency waits behind nothing."""
    lease_seconds: float = 60.0
    """What a dead process was translating is taken up after this long."""

    async def step(self) -> int:
        """Settle, or put off, what is due; return how many languages that were. Unavailable without the database."""
        lease = timedelta(seconds=self.lease_seconds)
        async with transaction(self.engine) as connection:
            due = await translations.claim(connection, self.clock(), _AT_ONCE, lease, is_urgent=self.is_urgent)
        await asyncio.gather(*(self._settle(each) for each in due))
        return len(due)

    async def _settle(self, claimed: Claimed) -> None:
        if claimed.again_for:
            await self._settle_body(claimed)
            return
        if self.provider is None or self.clock() >= claimed.deadline_at:
            await self._leave(claimed, NOT_SET_UP if self.provider is None else TOO_LATE)
            return
        async with transaction(self.engine) as connection:
            message = await messages.find(connection, claimed.message_id)
            if message is None:
                return
            entries = await messages.entries_of(connection, claimed.message_id)
            is_asking = any(each.survey_id for each in entries)
            survey = await surveys.of_message(connection, claimed.message_id) if is_asking else None
        texts = texts_of(message, entries, survey)
        around = (self.around(survey, claimed.language) if self.around and survey else None) or ()
        wanted = [(each, code_of(message.language)) for each in texts] + [(each, "en") for each in around]
        found = await self._translated(claimed, wanted)
        if found and await self._store(claimed, whole(found, entries, survey)) and message.body not in found:
            await self._add_body(claimed, message)

    async def _translated(self, claimed: Claimed, wanted: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Return the translations of texts in a language each by their originals.

        None, and that is written, when one of them failed.
        """
        if self.provider is None:
            return {}
        asked = asyncio.gather(*(self.provider.translate(*each, claimed.language) for each in wanted))
        try:
            async with asyncio.timeout((claimed.deadline_at - self.clock()).total_seconds()):
                found = await asked
        except TimeoutError:
            await self._leave(claimed, TOO_LATE)
            return {}
        failed = next((each for each in found if each.code), None)
        if failed:
            await self._failed(claimed, failed)
            return {}
        texts = [text for text, _ in wanted]
        metrics.translated_characters.add(sum(map(len, texts)))
        return dict(zip(texts, (each.text for each in found), strict=True))

    async def _failed(self, claimed: Claimed, failed: Rendered) -> None:
        metrics.translations.add(1, {"result": "refused" if failed.is_refused else "failed"})
        ids = {"message_id": claimed.message_id, "language": claimed.language}
        _log.warning("translation_failed", code=failed.code, is_refused=failed.is_refused, **ids)
        if failed.is_refused:
            await self._leave(claimed, REFUSED)
            return
        await self._try_again(claimed)

    async def _try_again(self, claimed: Claimed) -> None:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(claimed.tries - 1, _MOST_DOUBLED))
        async with transaction(self.engine) as connection:
            await translations.try_again(connection, claimed, min(self.clock() + pause, claimed.deadline_at))

    async def _leave(self, claimed: Claimed, reason: str) -> None:
        now = self.clock()
        async with transaction(self.engine) as connection:
            message = await messages.find(connection, claimed.message_id, lock=True)
            if message and await translations.left_original(connection, claimed, reason, now):
                metrics.translations.add(1, {"result": "original"})
                await self._go_on(connection, claimed, message)

    async def _add_body(self, claimed: Claimed, message: Message) -> None:
        """Translate the body for a channel that says it when the message is sent again.

        Nobody waits for it now: where it fails or is late, the resend asks for it again.
        """
        if not message.body.strip():
            return
        found = await self._body(claimed, message)
        if not found.code:
            async with transaction(self.engine) as connection:
                await translations.add_texts(connection, claimed, {message.body: found.text})

    async def _settle_body(self, claimed: Claimed) -> None:
        """Translate the body for a resend that waits for it; refused or too late, it leaves as it was written."""
        async with transaction(self.engine) as connection:
            message = await messages.find(connection, claimed.message_id)
        if message is None:
            return
        found = await self._body(claimed, message)
        if found.code and not found.is_refused and self.clock() < claimed.deadline_at:
            await self._try_again(claimed)
            return
        async with transaction(self.engine) as connection:
            if not await translations.end_again(connection, claimed):
                return
            if not found.code:
                await translations.add_texts(connection, claimed, {message.body: found.text})
            await translations.hurry(connection, claimed, message.send_at, self.clock())

    async def _body(self, claimed: Claimed, message: Message) -> Rendered:
        """Return the translation of the body, or the code of why there is none by the deadline."""
        found = Rendered(code=NOT_SET_UP, is_refused=True)
        if self.provider:
            asked = self.provider.translate(message.body, code_of(message.language), claimed.language)
            try:
                async with asyncio.timeout((claimed.deadline_at - self.clock()).total_seconds()):
                    found = await asked
            except TimeoutError:
                found = Rendered(code=TOO_LATE)
        if found.code:
            ids = {"message_id": claimed.message_id, "language": claimed.language}
            _log.warning("body_not_translated", code=found.code, **ids)
        else:
            metrics.translated_characters.add(len(message.body))
        return found

    async def _store(self, claimed: Claimed, texts: dict[str, str]) -> bool:
        """Write what was translated and let it go; False when the language was decided before."""
        now = self.clock()
        name = self.provider.name if self.provider else ""
        async with transaction(self.engine) as connection:
            message = await messages.find(connection, claimed.message_id, lock=True)
            if message is None or not await translations.translated(connection, claimed, name, texts, now):
                metrics.translations.add(1, {"result": "too_late"})
                return False
            if message.is_held:
                await questions.ask_about_translation(connection, message, claimed.language, list(texts.values()), now)
            await self._go_on(connection, claimed, message)
            reach("before_translation_commit")
        metrics.translations.add(1, {"result": "translated"})
        return True

    async def _go_on(self, connection: AsyncConnection, claimed: Claimed, message: Message) -> None:
        """Let go what waited for this language alone."""
        now = self.clock()
        if message.is_held:
            await let_go_if_through(connection, message, now)
        else:
            await translations.hurry(connection, claimed, message.send_at, now)
