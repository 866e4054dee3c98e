"""COPY of many rows in the caller's transaction, in PostgreSQL's binary form."""

import struct
import sys
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import AsyncConnection as DriverConnection
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Unavailable
from services.queue.records import Outcome

Write = Callable[[Iterable[Sequence[Any]]], Awaitable[None]]
"""Copies more rows."""
Decided = tuple[str, datetime, str, datetime, Iterable[Outcome]]
"""Outcomes of one entry and school: entry, its created_at, school, when that became known, the outcomes."""
RECIPIENT_COLUMNS: tuple[LiteralString, ...] = (
    "entry_id",
    "created_at",
    "number",
    "person_id",
    "name",
    "role",
    "school_id",
    "staff_id",
    "regarding_student_id",
    "regarding_student_name",
    "student_number",
    "language",
    "destination",
    "problem",
    "has_account",
    "type",
)
RECIPIENT_TYPES = ["uuid", "timestamptz", "int4", "text", "text", "int2", *["text"] * 8, "bool", "int2"]
_OUTCOME_COLUMNS: tuple[LiteralString, ...] = (
    "entry_id",
    "created_at",
    "school_id",
    "changed_at",
    "number",
    "state",
    "attempt",
    "provider",
    "provider_message_id",
    "error_code",
)
_OUTCOME_TYPES = ["uuid", "timestamptz", "text", "timestamptz", "int4", "text", "int2", "text", "text", "text"]
BATCH_COLUMNS: tuple[LiteralString, ...] = (
    "entry_id",
    "message_id",
    "created_at",
    "school_id",
    "channel",
    "lane",
    "state",
    "numbers",
    "attempt",
    "due_at",
    "expires_at",
    "changed_at",
    "translated_into",
)
_BATCH_TYPES = [
    *["uuid", "uuid", "timestamptz", "text", "text", "int2", "text", "bytea", "int2"],
    *["timestamptz", "timestamptz", "timestamptz", "text"],
]
"""The numbers are bytes that `_integers` made."""
_NUMBERS = BATCH_COLUMNS.index("numbers")
_ARRAY_OF_INTEGERS = struct.Struct("!5i")
"""Dimensions, whether there are NULLs, the elements' type, how many, the first one's subscript."""
_INTEGER_OID, _INTEGER_BYTES = 23, 4


@cache
def _statement(table: LiteralString, columns: tuple[LiteralString, ...]) -> bytes:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), names).as_bytes()


@lru_cache(64)
def _uuid(text: str) -> UUID:
    return UUID(text)


def place_of(entry_id: str, created_at: datetime) -> tuple[UUID, datetime]:
    """Return the first two columns of an entry's recipients."""
    return _uuid(entry_id), created_at


@asynccontextmanager
async def copying_recipients(connection: AsyncConnection) -> AsyncIterator[Write]:
    """Yield what writes recipients: `place_of` the entry, then the fields of Recipient.

    Until its end the connection takes nothing else. UniqueViolation, at the end, when a number is there already.
    """
    async with _copying(connection, "recipients", RECIPIENT_COLUMNS, RECIPIENT_TYPES) as write:
        yield write


async def copy_recipients(connection: AsyncConnection, rows: Iterable[Sequence[Any]]) -> None:
    """Write recipients, as `copying_recipients` takes them."""
    async with copying_recipients(connection) as write:
        await write(rows)


async def copy_outcomes(connection: AsyncConnection, every: Iterable[Decided]) -> None:
    """Write outcomes. UniqueViolation when there is one already."""
    async with _copying(connection, "outcomes", _OUTCOME_COLUMNS, _OUTCOME_TYPES) as write:
        for entry_id, created_at, school_id, changed_at, rows in every:
            alike = (_uuid(entry_id), created_at, school_id, changed_at)
            await write(alike + row for row in rows)


async def copy_batches(connection: AsyncConnection, rows: Iterable[Sequence[Any]]) -> None:
    """Write batches, values in the order of BATCH_COLUMNS."""
    every = (
        (UUID(row[0]), UUID(row[1]), *row[2:_NUMBERS], _integers(row[_NUMBERS]), *row[_NUMBERS + 1 :]) for row in rows
    )
    async with _copying(connection, "batches", BATCH_COLUMNS, _BATCH_TYPES) as write:
        await write(every)


def _integers(values: Sequence[int]) -> bytes:
    """Return integer[] in PostgreSQL's binary form; psycopg writes each element in Python, which takes longer."""
    # Every element is its length, then its value.
    elements = array("i", [_INTEGER_BYTES]) * (2 * len(values))
    elements[1::2] = array("i", values)
    if sys.byteorder == "little":
        elements.byteswap()
    return _ARRAY_OF_INTEGERS.pack(1, 0, _INTEGER_OID, len(values), 1) + elements.tobytes()


@asynccontextmanager
async def _copying(
    connection: AsyncConnection, table: LiteralString, columns: tuple[LiteralString, ...], types: list[str]
) -> AsyncIterator[Write]:
    driver: DriverConnection[Any] = (await connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
    try:
        async with driver.cursor() as cursor, cursor.copy(_statement(table, columns)) as copy:
            copy.set_types(types)
            # Copy.write_row awaits for every row, this for every 32 KiB: it halves the time.
            write_row, send = copy.formatter.write_row, copy.writer.write

            async def write(rows: Iterable[Sequence[Any]]) -> None:
                for row in rows:
                    if data := write_row(row):
                        await send(data)

            yield write
    except psycopg.OperationalError as problem:
        # SQLAlchemy does not see what goes wrong below it.
        raise Unavailable("DATABASE_UNAVAILABLE", "The database does not answer.", retry_after_seconds=1) from problem
