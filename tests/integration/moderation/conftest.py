"""A moderation of its own for each test: real database, real simulator of the vendor, the embedded model once a run."""

from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import create_engine
from services.moderation.model.scoring import load_model
from services.moderation.providers.embedded import Embedded
from services.moderation.providers.modapi import ModerationApi
from tests.integration.moderation.measured import Measured
from tests.support.postgres import Databases
from tests.support.vendors import MODAPI_KEY, VendorSimulator, receiver, vendor_process, vendors  # noqa: F401  fixtures


@pytest.fixture
async def moderation_engine(databases: Databases) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(databases.copy("moderation").url, name="test")
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def embedded() -> Embedded:
    return Embedded(load_model())


@pytest.fixture
async def vendor(vendors: VendorSimulator) -> AsyncIterator[ModerationApi]:  # noqa: F811  the fixture
    """The vendor's client, which waits for an answer as long as a busy machine may take."""
    provider = ModerationApi(MODAPI_KEY, f"{vendors.url}/v1", timeout_seconds=20)
    yield provider
    await provider.close()


@pytest.fixture
async def hasty_vendor(vendors: VendorSimulator) -> AsyncIterator[ModerationApi]:  # noqa: F811  the fixture
    """The vendor's client for answers that do not come: they may take a second and a half."""
    provider = ModerationApi(MODAPI_KEY, f"{vendors.url}/v1", timeout_seconds=1.5)
    yield provider
    await provider.close()


@pytest.fixture(scope="session")
def measured() -> Measured:
    return Measured()


@pytest.fixture
def moved(measured: Measured) -> Callable[..., Callable[[], float]]:
    """By how much a metric moves from where this is called on."""

    def since_now(name: str, **attributes: str) -> Callable[[], float]:
        before = measured(name, **attributes)
        return lambda: measured(name, **attributes) - before

    return since_now
