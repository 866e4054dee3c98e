"""Showing a poll or a sign-up to one of its recipients, and taking their answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller, require_viewer
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, NotFound, PermissionDenied
from services.queue import events_out
from services.queue.domain import MAX_SUBJECT, State
from services.queue.links import Links, unknown_link
from services.queue.store import responses, surveys, translations
from services.queue.store.responses import Place
from services.queue.store.surveys import Asked
from services.queue.surveys import check_answer, moves, reworded
from services.queue.translating import cut

_TOLD_AT_ONCE = 500


@dataclass(frozen=True)
class Who:
    """Who is asked, as the caller says: one of the three."""

    link: str = ""
    message_id: str = ""
    """In the caller's inbox."""
    entry_id: str = ""
    """A service's delivery."""
    number: int = 0
    """Of the inbox's or service's delivery."""


@dataclass(frozen=True)
class Form:
    """A survey as one recipient sees it."""

    asked: Asked
    number: int
    is_closed: bool
    chosen: Sequence[int]
    answered_at: datetime | None
    mine: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class _Respondent:
    asked: Asked
    number: int
    origin: str
    mine: Sequence[tuple[int, str]] = ()

    @property
    def place(self) -> Place:
        return Place(self.asked.survey.survey_id, self.number)


@dataclass(frozen=True)
class Answering:
    """What showing and answering take."""

    engine: AsyncEngine
    clock: Clock
    links: Links | None
    """None where links are not set up."""

    async def show(self, caller: Caller, who: Who) -> Form:
        """Return what a recipient is asked and has answered. Raises what `answer` raises for who it is."""
        async with transaction(self.engine) as connection:
            return await self._form(connection, await self._respondent(connection, caller, who))

    async def show_own(self, message_id: str) -> tuple[Asked, bool]:
        """Return what a message of the caller's own asks, with what is chosen, and whether it is closed. NotFound."""
        person_id = require_viewer().person_id
        async with transaction(self.engine) as connection:
            asked = await surveys.find_of_sender(connection, message_id, person_id)
        if asked is None:
            raise NotFound("SURVEY_NOT_FOUND", "There is no such poll or sign-up of yours.")
        return asked, _is_closed(asked, self.clock())

    async def answer(self, caller: Caller, who: Who, chosen: Sequence[int]) -> Form:
        """Take a recipient's whole answer in place of the one before.

        NotFound for a link or message that is not theirs; FailedPrecondition when the message is gone (SURVEY_GONE),
        it is closed (SURVEY_CLOSED) or a slot is full (SLOT_FULL); InvalidArgument for an answer to something else.
        """
        async with transaction(self.engine) as connection:
            respondent = await self._respondent(connection, caller, who)
            survey = respondent.asked.survey
            check_answer(survey, chosen)
            place, origin = respondent.place, respondent.origin
            before = await responses.lock(connection, place, len(survey.questions), origin, self.clock())
            # Only now: whoever waited for the lock may have waited too long.
            now = self.clock()
            if _is_closed(respondent.asked, now):
                raise FailedPrecondition("SURVEY_CLOSED", "It takes no answers any more.")
            full = await responses.move(connection, survey.survey_id, moves(before, chosen))
            if full is not None:
                wrong = [(f"/chosen/{full - 1}", "This has just been taken. Choose another one.")]
                raise FailedPrecondition("SLOT_FULL", "A place that you chose is taken.", violations=wrong)
            await responses.write(connection, place, chosen, origin, now)
            return await self._form(connection, await self._respondent(connection, caller, who))

    async def tell_responses(self) -> int:
        """Tell of responses that changed, many in one event; return how many."""
        async with transaction(self.engine) as connection:
            changed = await responses.take_untold(connection, _TOLD_AT_ONCE)
            for survey_id in sorted({each.survey_id for each in changed}):
                its = [each for each in changed if each.survey_id == survey_id]
                people = await responses.answerers(connection, survey_id, [each.number for each in its])
                await events_out.tell_responses(connection, its, people)
        return len(changed)

    async def _form(self, connection: AsyncConnection, respondent: _Respondent) -> Form:
        asked = await _in_their_words(connection, respondent)
        found = await responses.read(connection, respondent.place)
        chosen, answered_at = found or ([0] * len(asked.survey.questions), None)
        is_closed = _is_closed(asked, self.clock())
        return Form(asked, respondent.number, is_closed, chosen, answered_at, respondent.mine)

    async def _respondent(self, connection: AsyncConnection, caller: Caller, who: Who) -> _Respondent:
        if who.link:
            found = await self._by_link(connection, who.link)
        elif who.message_id:
            found = await self._in_inbox(connection, caller, who)
        else:
            found = await self._by_delivery(connection, caller, who)
        if found.asked.is_gone:
            raise FailedPrecondition("SURVEY_GONE", "This message is no longer available.")
        return found

    async def _by_link(self, connection: AsyncConnection, text: str) -> _Respondent:
        if self.links is None:
            raise FailedPrecondition("SURVEYS_OFF", "Polls and sign-ups are not set up.")
        link = self.links.read(text, self.clock())
        asked = await surveys.find(connection, link.subject_id)
        if asked is None:
            raise unknown_link()
        return _Respondent(asked, await surveys.counts_as(connection, asked, link.number), "link")

    async def _in_inbox(self, connection: AsyncConnection, caller: Caller, who: Who) -> _Respondent:
        person_id = caller.viewer.person_id if caller.viewer else ""
        asked = await surveys.find_in_inbox(connection, who.message_id, person_id, self.clock())
        mine = await surveys.mine(connection, asked, person_id) if asked else []
        numbers = [number for number, _ in mine]
        number = who.number or next(iter(numbers), 0)
        if asked is None or number not in numbers:
            raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
        return _Respondent(asked, number, "inbox", mine)

    async def _by_delivery(self, connection: AsyncConnection, caller: Caller, who: Who) -> _Respondent:
        if caller.viewer:
            raise PermissionDenied("SERVICE_REQUIRED", "People answer by their link or in their inbox.")
        asked = await surveys.find_of_entry(connection, who.entry_id)
        state = await surveys.outcome_state(connection, asked, who.number) if asked else None
        if asked is None or state is None:
            raise NotFound("RECIPIENT_NOT_FOUND", "There is no such recipient.")
        if state == State.DUPLICATE:
            raise FailedPrecondition("RECIPIENT_DUPLICATE", "Another recipient with the same contact answers for it.")
        return _Respondent(asked, who.number, "service")


async def _in_their_words(connection: AsyncConnection, respondent: _Respondent) -> Asked:
    """Return what a recipient is asked as their e-mail said it."""
    asked = respondent.asked
    language = await surveys.told_in(connection, asked, respondent.number)
    if not language:
        return asked
    (wording,) = (await translations.wordings(connection, [(asked.message_id, language)])).values()
    return replace(
        asked,
        survey=reworded(asked.survey, wording.of),
        subject=cut(wording.of(asked.subject), MAX_SUBJECT),
        body=wording.of(asked.body),
        language=language,
    )


def _is_closed(asked: Asked, now: datetime) -> bool:
    return asked.survey.closes_at is not None and asked.survey.closes_at <= now
