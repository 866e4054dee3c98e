"""Counters by entry and school, the progress that is told from them, and the check that they are right."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.queue.domain import COUNTED_AS, COUNTERS, Deltas
from services.queue.records import Counts

EVER, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""Bounds that leave nothing out."""
_ARRAYS = ", ".join(f"CAST(:{name} AS bigint[])" for name in COUNTERS)
# One statement: others wait for these rows from here to the commit. Both tables are locked in one order, and the second
# after the first, since its rows are chosen by what was moved.
_APPLY = sa.text(
    "WITH d AS MATERIALIZED (SELECT * FROM"
    f" unnest(CAST(:entry_ids AS uuid[]), CAST(:school_ids AS text[]), {_ARRAYS})"
    f" AS d (entry_id, school_id, {', '.join(COUNTERS)})),"
    " locked AS MATERIALIZED (SELECT c.entry_id, c.school_id FROM entry_counts c JOIN d"
    " ON c.entry_id = d.entry_id AND c.school_id = d.school_id ORDER BY c.entry_id, c.school_id FOR UPDATE OF c),"
    f" moved AS (UPDATE entry_counts c SET {', '.join(f'{name} = c.{name} + d.{name}' for name in COUNTERS)},"
    " version = c.version + 1 FROM locked l JOIN d ON d.entry_id = l.entry_id AND d.school_id = l.school_id"
    " WHERE c.entry_id = l.entry_id AND c.school_id = l.school_id RETURNING c.entry_id),"
    " told AS MATERIALIZED (SELECT p.entry_id FROM entry_progress p WHERE p.entry_id IN (SELECT entry_id FROM moved)"
    " ORDER BY p.entry_id FOR UPDATE)"
    " UPDATE entry_progress p SET is_due = true, changed_at = :now, ask_at = coalesce(p.ask_at, :now)"
    " FROM told WHERE p.entry_id = told.entry_id"
)
_INSERT = sa.text(
    f"INSERT INTO entry_counts (entry_id, school_id, total, {', '.join(COUNTERS)})"
    " SELECT * FROM unnest(CAST(:entry_ids AS uuid[]), CAST(:school_ids AS text[]), CAST(:totals AS bigint[]),"
    f" {_ARRAYS})"
)
_ADD_PROGRESS = sa.text(
    "INSERT INTO entry_progress (entry_id, changed_at, told_at, ask_at)"
    " VALUES (:entry_id, :now, :now, CAST(:ask_at AS timestamptz))"
)
_TAKE_DUE = sa.text(
    "UPDATE entry_progress p SET is_due = false, told_at = :now FROM ("
    " SELECT entry_id FROM entry_progress WHERE is_due AND told_at <= :before ORDER BY told_at LIMIT 200"
    " FOR UPDATE SKIP LOCKED) due JOIN entries e ON e.entry_id = due.entry_id"
    " WHERE p.entry_id = due.entry_id"
    " RETURNING p.entry_id::text, e.message_id::text, p.changed_at"
)
_READ = sa.text(
    f"SELECT entry_id::text AS entry_id, school_id, total, {', '.join(COUNTERS)}, version FROM entry_counts"
    " WHERE entry_id = ANY(CAST(:entry_ids AS uuid[])) ORDER BY entry_id, school_id"
)


async def apply(connection: AsyncConnection, deltas: Deltas, now: datetime) -> None:
    """Move the counters and mark the entries' progress. IntegrityError when one would not add up or be negative."""
    changed = deltas.changed()
    if not changed:
        return
    columns = {name: [counts.get(name, 0) for counts in changed.values()] for name in COUNTERS}
    await connection.execute(_APPLY, {**_keys(changed), **columns, "now": now})


def _keys(keys: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    every = list(keys)
    return {"entry_ids": [entry for entry, _ in every], "school_ids": [school for _, school in every]}


async def insert(
    connection: AsyncConnection,
    counts: Mapping[tuple[str, str], Mapping[str, int]],
    entry_ids: Iterable[str],
    now: datetime,
) -> None:
    """Write the first counters of new entries, by entry and school, and their progress rows."""
    if counts:
        every = list(counts.values())
        values = _keys(counts) | {name: [each.get(name, 0) for each in every] for name in COUNTERS}
        await connection.execute(_INSERT, values | {"totals": [sum(each.values()) for each in every]})
    # Nobody looks for deliveries of a past message, which are all at their end.
    is_open = {entry_id for (entry_id, _), each in counts.items() if each.get("pending") or each.get("held")}
    progress = [{"entry_id": each, "now": now, "ask_at": now if each in is_open else None} for each in entry_ids]
    await connection.execute(_ADD_PROGRESS, progress)


async def read(connection: AsyncConnection, entry_ids: Sequence[str]) -> dict[str, Counts]:
    """Return the counters of these entries as one moment saw them; the version is the sum of the schools' versions."""
    result = {entry_id: Counts() for entry_id in entry_ids}
    for row in (await connection.execute(_READ, {"entry_ids": list(entry_ids)})).mappings():
        counts = result[row["entry_id"]]
        counts.by_school[row["school_id"]] = {name: row[name] for name in ("total", *COUNTERS)}
        counts.version += row["version"]
    return result


async def take_due(connection: AsyncConnection, now: datetime, pause: timedelta) -> list[tuple[str, str, datetime]]:
    """Take up to 200 entries whose counts changed, none told of within the pause: entry, message, time of change.

    Counts must be read afterwards, by another statement: a settling transaction that this one waited for is then seen.
    """
    rows = await connection.execute(_TAKE_DUE, {"now": now, "before": now - pause})
    return [(row[0], row[1], row[2]) for row in rows]


async def broken(
    connection: AsyncConnection,
    limit: int,
    *,
    since: datetime = EVER,
    until: datetime = NEVER,
    changed_since: datetime = EVER,
) -> tuple[int, list[tuple[str, dict[str, Any], dict[str, Any]]]]:
    """Compare the counters of entries with the rows behind them, at one moment.

    `since` and `until` choose by when their messages were written, `changed_since` by when their counts last changed,
    whatever their age. Return how many entries were compared, and for the first `limit` that differ: the entry, what
    the counters say and what the rows say, by school. Reads every row of these: for operators, not for each minute.
    """
    values = {"since": since, "until": until, "changed_since": changed_since}
    checked = (await connection.execute(_COMPARED, values)).scalar_one()
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for row in (await connection.execute(_COMPARE, values)).mappings():
        if row["entry_id"] not in found and len(found) == limit:
            break
        counters, rows = found.setdefault(row["entry_id"], ({}, {}))
        counters[row["school_id"]] = {name: row[f"c_{name}"] or 0 for name in ("total", *COUNTERS)}
        rows[row["school_id"]] = {name: row[f"r_{name}"] or 0 for name in ("total", *COUNTERS)}
    return checked, [(entry_id, *pair) for entry_id, pair in found.items()]


_STATES_OF = {name: [str(s) for s, counter in COUNTED_AS.items() if counter == name] for name in COUNTERS}
_SUMS = ", ".join(
    "count(*) FILTER (WHERE coalesce(decided, waiting) IN ({})) AS {}".format(
        ", ".join(repr(state) for state in _STATES_OF[name]), name
    )
    for name in COUNTERS
)
_PAIRS = ", ".join(f"c.{name} AS c_{name}, r.{name} AS r_{name}" for name in ("total", *COUNTERS))
_DIFFER = " OR ".join(f"c.{name} IS DISTINCT FROM r.{name}" for name in ("total", *COUNTERS))
_CHOSEN = (
    "SELECT e.entry_id, e.created_at FROM entries e LEFT JOIN entry_progress p USING (entry_id)"
    " WHERE e.created_at >= :since AND e.created_at < :until"
    " AND coalesce(p.changed_at, e.created_at) >= :changed_since"
)
_COMPARED = sa.text(f"SELECT count(*) FROM ({_CHOSEN}) e")
# Entry by entry: each has its rows in one month, and those of other months are not looked at, however many there are.
# Grouped by number, since joins of parts that the planner takes for small take hours where they are large.
_OF_AN_ENTRY = (
    "SELECT number, school_id, NULL AS decided, NULL AS waiting FROM recipients"
    " WHERE entry_id = e.entry_id AND created_at = e.created_at"
    " UNION ALL SELECT number, NULL, state, NULL FROM outcomes"
    " WHERE entry_id = e.entry_id AND created_at = e.created_at"
    " UNION ALL SELECT unnest(numbers), NULL, NULL, state FROM batches WHERE entry_id = e.entry_id"
)
_COMPARE = sa.text(
    f"WITH e AS MATERIALIZED ({_CHOSEN}), r AS (SELECT e.entry_id, found.* FROM e CROSS JOIN LATERAL ("
    f"SELECT school_id, count(*) AS total, {_SUMS} FROM (SELECT max(school_id) AS school_id, max(decided) AS decided,"
    f" max(waiting) AS waiting FROM ({_OF_AN_ENTRY}) one GROUP BY number) every WHERE school_id IS NOT NULL"
    " GROUP BY school_id) found)"
    " SELECT coalesce(c.entry_id, r.entry_id)::text AS entry_id, coalesce(c.school_id, r.school_id) AS"
    f" school_id, {_PAIRS} FROM (SELECT c.* FROM entry_counts c JOIN e USING (entry_id)) c"
    " FULL JOIN r ON c.entry_id = r.entry_id AND c.school_id = r.school_id"
    f" WHERE {_DIFFER} ORDER BY 1, 2"
)
