"""A directory of its own for each test."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import create_engine
from tests.support.postgres import Databases


@pytest.fixture
async def directory_engine(databases: Databases) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(databases.copy("directory").url, name="test", statement_timeout_seconds=30)
    yield engine
    await engine.dispose()
