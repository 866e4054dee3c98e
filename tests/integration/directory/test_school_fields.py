"""The system field of schools: disabled at first, permitted by profile, ticked by school (section R)."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from protos.events.v1 import settings_pb2 as events
from services.directory import editing, importing, school_fields
from services.directory.domain import EXCLUDED
from services.directory.rpc import DirectoryServicer
from services.directory.store import people, settings
from services.directory.tables import outbox, schools
from services.kit.auth import Caller, Viewer, set_caller
from services.kit.db import transaction
from services.kit.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from tests.integration.directory.roster_files import IMPORTER, OPERATOR, ORGS, roster

NOON = datetime(2026, 11, 10, 17, 0, tzinfo=UTC)
ZONE = "America/New_York"
UNSAID = ORGS.replace(",false", ",").replace(",true", ",")


async def excluded(engine: AsyncEngine) -> list[str]:
    """Return the titles of the schools that count as excluded."""
    async with transaction(engine) as connection:
        return [each["title"] for each in await people.all_schools(connection) if each["is_excluded"]]


async def profile_ids(engine: AsyncEngine) -> dict[str, str]:
    async with transaction(engine) as connection:
        return {each["name"]: each["profile_id"] for each in await settings.all_profiles(connection)}


async def person(engine: AsyncEngine, sourced_id: str, *school_ids: str) -> Caller:
    """A person of the roster who calls, seeing these schools, or every one."""
    async with transaction(engine) as connection:
        (row,) = await people.people_by_id(connection, [], [sourced_id])
    seen = frozenset(school_ids or {"*"})
    viewer = Viewer(row["person_id"], row["name"], "admin", frozenset({"manage_directory"}), seen, all_users=False)
    return Caller(row["person_id"], frozenset(), viewer)


async def school_id(engine: AsyncEngine, sourced_id: str) -> str:
    async with engine.connect() as connection:
        wanted = sa.select(schools.c.school_id).where(schools.c.sourced_id == sourced_id)
        return str((await connection.scalars(wanted)).one())


async def enabled(engine: AsyncEngine, caller: Caller = OPERATOR, **changes: object) -> pb.SchoolField:
    (field,) = await school_fields.offered(engine, OPERATOR)
    field.is_enabled = field.is_on_school_info = True
    for name, value in changes.items():
        field.ClearField(name)  # type: ignore[arg-type]
        field.MergeFrom(pb.SchoolField(**{name: value}))  # type: ignore[arg-type]
    return await school_fields.update_field(engine, lambda: NOON, caller, field)


@pytest.mark.accepts(224, 235)
async def test_a_new_installation_excludes_nobody_until_the_field_is_enabled(directory_engine: AsyncEngine) -> None:
    await importing.import_roster(directory_engine, roster(), ZONE, IMPORTER)
    (field,) = await school_fields.offered(directory_engine, OPERATOR)
    assert (field.name, field.is_enabled, field.is_on_school_info, field.is_shown) == (EXCLUDED, False, False, False)
    assert (list(field.viewers), list(field.editors)) == ([], [])
    assert await excluded(directory_engine) == [], "the roster ticks Ridge High"
    ridge = await school_id(directory_engine, "s2")
    with pytest.raises(FailedPrecondition) as refused:
        await school_fields.exclude(directory_engine, lambda: NOON, OPERATOR, ridge, is_excluded=False)
    assert refused.value.reason == "FIELD_DISABLED"
    await enabled(directory_engine)
    assert await excluded(directory_engine) == ["Ridge High"]
    await school_fields.exclude(directory_engine, lambda: NOON, OPERATOR, ridge, is_excluded=False)
    assert await excluded(directory_engine) == []


@pytest.mark.accepts(224, 226)
async def test_a_school_is_ticked_by_whoever_the_field_permits_and_in_their_sight(
    directory_engine: AsyncEngine,
) -> None:
    await importing.import_roster(directory_engine, roster(orgs=UNSAID), ZONE, IMPORTER)
    known, lincoln = await profile_ids(directory_engine), await school_id(directory_engine, "s1")
    mine = [known["Principal"]]
    here, elsewhere = [await person(directory_engine, "pri", each) for each in (lincoln, "another")]
    officer = await person(directory_engine, "off")

    async def tick(caller: Caller) -> None:
        await school_fields.exclude(directory_engine, lambda: NOON, caller, lincoln, is_excluded=True)

    field = await enabled(directory_engine, viewers=[*mine, known["District administrator"]], editors=mine)
    (shown,) = await school_fields.offered(directory_engine, officer)
    assert (shown.is_shown, shown.is_editable) == (True, False)
    with pytest.raises(PermissionDenied):
        await tick(officer)
    with pytest.raises(NotFound):
        await tick(elsewhere)
    assert await excluded(directory_engine) == []
    await tick(here)
    # A roster that says nothing of the exclusion leaves it as it is; one that does is followed.
    await importing.import_roster(directory_engine, roster(orgs=UNSAID), ZONE, IMPORTER)
    assert await excluded(directory_engine) == ["Lincoln High"]
    await importing.import_roster(directory_engine, roster(), ZONE, IMPORTER)
    assert await excluded(directory_engine) == ["Ridge High"]
    with pytest.raises(Aborted):
        await school_fields.update_field(directory_engine, lambda: NOON, OPERATOR, pb.SchoolField(name=EXCLUDED))
    with pytest.raises(InvalidArgument):
        await enabled(directory_engine, viewers=[known["Teacher"]], editors=[])
    with pytest.raises(InvalidArgument):
        await enabled(directory_engine, viewers=[], editors=mine)
    set_caller(here)
    servicer = DirectoryServicer(directory_engine, ZONE)
    with pytest.raises(PermissionDenied):
        await servicer.UpdateSchoolField(pb.UpdateSchoolFieldRequest(field=field), None)


@pytest.mark.accepts(309)
async def test_every_setting_tells_who_set_what(directory_engine: AsyncEngine) -> None:
    await importing.import_roster(directory_engine, roster(orgs=UNSAID), ZONE, IMPORTER)
    mine = [(await profile_ids(directory_engine))["District administrator"]]
    officer, lincoln = await person(directory_engine, "off"), await school_id(directory_engine, "s1")
    await enabled(directory_engine, officer, viewers=mine, editors=mine)
    await school_fields.exclude(directory_engine, lambda: NOON, officer, lincoln, is_excluded=True)
    await editing.set_quiet_hours(directory_engine, lambda: NOON, officer, lincoln, None)
    module = pb.Module(name="call_out", is_purchased=True)
    await editing.update_module(directory_engine, lambda: NOON, OPERATOR, module)
    async with transaction(directory_engine) as connection:
        wanted = sa.select(outbox.c.payload).where(outbox.c.subject == "directory.setting.changed.v1")
        _, *told = [events.SettingChanged.FromString(each) for each in (await connection.scalars(wanted))]
    assert [(each.changed_by_name, each.action, each.detail) for each in told] == [
        (
            "Ada North",
            "school_field.changed",
            "field=exclude_from_communication enabled=yes on_school_info=yes"
            " viewers=District administrator editors=District administrator",
        ),
        ("Ada North", "school.changed", "school=Lincoln High excluded=yes"),
        ("Ada North", "quiet_hours.changed", "school=Lincoln High none"),
        ("operator", "module.changed", "module=call_out purchased=yes enabled=no"),
    ]
