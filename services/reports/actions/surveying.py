"""Answering what recipients answered to a poll or a sign-up."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import transaction
from services.kit.errors import NotFound
from services.reports.domain import Page, Screening, page_of
from services.reports.store import rows, surveys
from services.reports.store.surveys import Asked

Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """What was asked, and the answers to one question."""

    survey: Row
    question: int
    counts: dict[int, int]
    """By option from 1; options that nobody chose are not there."""
    answers: list[Row]
    page: Page


async def results(engine: AsyncEngine, asked: Asked, number: int, size: int) -> Results:
    """Return the answers to a question, or to the last one, of those recipients whom the viewer sees.

    NotFound outside of the viewer's sight, for a message that was withheld, and for one that asks nothing.
    """
    async with transaction(engine) as connection:
        found = await rows.entry_rows(connection, asked.sight, [asked.entry_id])
        if not found:
            raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
        survey = await surveys.find(connection, asked.entry_id)
        if survey is None or found[0]["screening"] == Screening.WITHHELD:
            raise NotFound("SURVEY_NOT_FOUND", "This entry has no answers to show.")
        question = min(max(1, asked.question), len(survey["questions"]))
        offered = survey["questions"][question - 1]["options"]
        options = {str(place): each["text"] for place, each in enumerate(offered, 1)}
        asked = replace(asked, question=question, options=options)
        counts = await surveys.counts(connection, asked)
        page = page_of(number, size, await surveys.count(connection, asked))
        return Results(survey, asked.question, counts, await surveys.page(connection, asked, page), page)
