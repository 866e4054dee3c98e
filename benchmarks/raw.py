"""The raw limit: what PostgreSQL needs for the same rows when one process writes them and does nothing else."""

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from protos.directory.v1 import directory_pb2 as directory
from services.queue.store.copying import RECIPIENT_COLUMNS, RECIPIENT_TYPES

Connection = psycopg.Connection[tuple[Any, ...]]
_UPDATE: LiteralString = (
    "UPDATE raw_deliveries SET state = 'handed_off', provider = 'raw', changed_at = now(),"
    " provider_message_id = entry_id::text || '.' || number::text || '.1' WHERE entry_id = %s"
)


def prepare(connection: Connection) -> None:
    """Make the tables: as `recipients`, and the same with what `outcomes` says of each, found by the same keys."""
    connection.execute("CREATE TABLE raw_recipients (LIKE recipients INCLUDING ALL)")
    connection.execute(
        "CREATE TABLE raw_deliveries (LIKE recipients INCLUDING ALL, state text NOT NULL DEFAULT 'pending',"
        " provider text NOT NULL DEFAULT '', provider_message_id text NOT NULL DEFAULT '', changed_at timestamptz)"
    )
    connection.execute("CREATE INDEX ON raw_deliveries (provider_message_id) WHERE provider_message_id <> ''")


def rows_of(rows: Sequence[directory.Recipient]) -> list[tuple[Any, ...]]:
    """Return what is copied of each recipient, without the entry and its time."""
    return [
        (
            *(number, each.person_id, each.name, each.role, each.school_id, each.staff_id),
            *(each.regarding_student_id, each.regarding_student_name, each.student_number, each.language),
            *(each.mobile, "", each.has_account, 1),
        )
        for number, each in enumerate(rows, 1)
    ]


def copy(connection: Connection, table: LiteralString, rows: Sequence[tuple[Any, ...]]) -> float:
    """Copy the rows in one durable transaction; return the seconds."""
    return _copy(connection, table, rows)[0]


def copy_and_update(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> float:
    """Copy the rows, then write to each what became of it in one statement, both durable; return the seconds."""
    seconds, entry_id = _copy(connection, "raw_deliveries", rows)
    started = time.perf_counter()
    connection.execute(_UPDATE, (entry_id,))
    return seconds + time.perf_counter() - started


def _copy(connection: Connection, table: LiteralString, rows: Sequence[tuple[Any, ...]]) -> tuple[float, uuid.UUID]:
    entry_id, now = uuid.uuid4(), datetime.now(UTC)
    every = [(entry_id, now, *row) for row in rows]
    columns = sql.SQL(", ").join(map(sql.Identifier, RECIPIENT_COLUMNS))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), columns)
    started = time.perf_counter()
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(statement) as copying:
        copying.set_types(RECIPIENT_TYPES)
        for row in every:
            copying.write_row(row)
    return time.perf_counter() - started, entry_id
