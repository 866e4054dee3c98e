"""Answering what is sent later."""

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import transaction
from services.reports.domain import Page, page_of
from services.reports.store import schedules
from services.reports.store.schedules import Wanted


async def search(engine: AsyncEngine, wanted: Wanted, number: int, size: int) -> tuple[list[dict[str, Any]], Page]:
    """Return one page of the schedules in the viewer's sight that are not over."""
    async with transaction(engine) as connection:
        if {"recursion", "type"} & {wanted.sort, *(rule.column for rule in wanted.rules)}:
            wanted = replace(wanted, words=await schedules.words(connection))
        page = page_of(number, size, await schedules.count(connection, wanted))
        return await schedules.page(connection, wanted, page), page
