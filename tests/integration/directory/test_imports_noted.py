"""Imports of a roster are noted, so that an information system that falls silent is noticed."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import settings_pb2 as settings
from services.directory import importing
from services.directory.events import SETTING_CHANGED
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition
from tests.integration.directory.roster_files import IMPORTER, USERS, roster


class Gauge:
    """Keeps what it was set to."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def set(self, value: float, *_: Any) -> None:
        """Keep a value."""
        self.values.append(value)


@pytest.fixture
def age(monkeypatch: pytest.MonkeyPatch) -> Gauge:
    gauge = Gauge()
    monkeypatch.setattr(importing, "roster_age", gauge)
    return gauge


@pytest.mark.accepts(309)
async def test_the_audit_log_has_each_import_and_the_gauge_its_age(directory_engine: AsyncEngine, age: Gauge) -> None:
    await importing.measure_age(directory_engine, lambda: IMPORTER.at)
    assert age.values == []
    await importing.import_roster(directory_engine, roster(), "America/New_York", IMPORTER)
    cut = roster(users=USERS.splitlines()[0] + "\n")
    with pytest.raises(FailedPrecondition, match="leave"):
        await importing.import_roster(directory_engine, cut, "America/New_York", IMPORTER)
    await importing.measure_age(directory_engine, lambda: IMPORTER.at + timedelta(hours=40))
    assert age.values == [40 * 3600.0]
    async with transaction(directory_engine) as connection:
        wanted = sa.text("SELECT payload FROM outbox WHERE subject = :subject")
        found = (await connection.scalars(wanted, {"subject": SETTING_CHANGED})).all()
    (told,) = [settings.SettingChanged.FromString(bytes(each)) for each in found]
    assert (told.action, told.changed_by_name) == ("roster.imported", "operator")
    assert told.detail == (
        "orgs.csv: created=2 changed=0 left=0; users.csv: created=9 changed=0 left=0; rows refused=0"
    )
