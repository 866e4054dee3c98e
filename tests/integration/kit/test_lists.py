"""Lists as parameters of statements: what PostgreSQL reads is what was given."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import create_engine, transaction
from tests.support.postgres import Databases

_AWKWARD = [
    "",
    "NULL",
    "null",
    " ",
    'a "b" c',
    "back\\slash\\",
    "{,}",
    "a,b",
    "line\nbreak\ttab",
    "Zoë",
    "雪",
    "\u2028",
]
_NOON = datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def engine(databases: Databases) -> AsyncIterator[AsyncEngine]:
    """An engine as the services make it."""
    engine = create_engine(databases.blank("directory").url, name="test")
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("text[]", _AWKWARD),
        ("text[]", [None, *_AWKWARD]),
        ("text[]", []),
        ("text[]", [["a", 'b"'], ["c\\", ""]]),
        ("bigint[]", [0, -1, 1, 40_000, 9_223_372_036_854_775_807]),
        ("uuid[]", [UUID(int=0), UUID(int=1 << 100)]),
        ("timestamptz[]", [_NOON, _NOON.replace(microsecond=0)]),
        ("boolean[]", [True, False, None]),
        ("float8[]", [0.1, -2.5e300]),
    ],
)
async def test_a_list_arrives_as_it_was_given(engine: AsyncEngine, kind: str, given: list[Any]) -> None:
    async with transaction(engine) as connection:
        found = (await connection.execute(sa.text(f"SELECT CAST(:given AS {kind})"), {"given": given})).scalar_one()
    assert found == given


async def test_a_text_that_postgresql_cannot_hold_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(DataError, match="NUL"):
        async with transaction(engine) as connection:
            await connection.execute(sa.text("SELECT CAST(:given AS text[])"), {"given": ["a", "b\0c", ""]})
