"""What it takes to send claimed batches: their recipients, and what each is told."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.store import absences, translations
from services.queue.work import Batch, Delivery, Work

# What is asked of each batch comes first and is not merged into the rest: the planner, which expects few recipients,
# would ask it again for each of them. A list of numbers is one walk through an index, in their order. Columns of a
# batch take half the time of as many rows; only what asks names a student, and problems are seldom.
_RECIPIENTS = sa.text(
    "WITH b AS MATERIALIZED (SELECT b.batch_id, b.entry_id, b.created_at, b.numbers, b.channel IN ('poll', 'signup')"
    " OR (b.channel = 'sms' AND EXISTS (SELECT 1 FROM surveys s WHERE s.message_id = b.message_id)) AS asks,"
    " ARRAY(SELECT o.number FROM outcomes o WHERE o.entry_id = b.entry_id AND o.created_at = b.created_at"
    " AND o.number = ANY(b.numbers)) AS done FROM batches b WHERE b.batch_id = ANY(:batch_ids))"
    " SELECT b.batch_id, r.* FROM b CROSS JOIN LATERAL (SELECT array_agg(number), array_agg(destination),"
    " CASE WHEN bool_or(problem <> '') THEN array_agg(problem) END,"
    " array_agg(regarding_student_name) FILTER (WHERE b.asks)"
    " FROM (SELECT r.number, r.destination, r.problem, r.regarding_student_name FROM recipients r"
    " WHERE r.entry_id = b.entry_id AND r.created_at = b.created_at AND r.number = ANY(b.numbers)"
    " AND r.number <> ALL(b.done) ORDER BY r.number) r) r"
)


async def load(connection: AsyncConnection, every: Sequence[Batch]) -> list[Work]:
    """Return what it takes to send claimed batches: those without an outcome, in the order of their numbers."""
    found: dict[int, list[Delivery]] = {}
    rows = await connection.execute(_RECIPIENTS, {"batch_ids": [each.batch_id for each in every]})
    for batch_id, numbers, destinations, problems, names in rows:
        columns = (numbers or [], destinations or [], problems or repeat(""), names or repeat(""))
        found[batch_id] = list(map(Delivery, *columns))
    works = [Work(each, found[each.batch_id]) for each in every]
    works = await translations.put_into_words(connection, works)
    return [replace(each, values=await absences.values_for(connection, each.batch)) for each in works]
