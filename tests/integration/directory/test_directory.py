"""The directory on a real database: import, visibility, audiences, profiles."""

from datetime import UTC, datetime, time

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from protos.events.v1 import directory_pb2 as events
from services.directory import actions, editing, importing
from services.directory.domain import AudienceQuery, Role
from services.directory.events import SETTING_CHANGED
from services.directory.rpc import DirectoryServicer
from services.directory.store import people, settings
from services.directory.tables import outbox
from services.kit.auth import Caller, Viewer, set_caller
from services.kit.db import transaction
from services.kit.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from tests.integration.directory.roster_files import (
    IMPORTER,
    OPERATOR,
    ORGS,
    ROLES,
    USERS,
    enable_exclusion,
    roster,
)

PRINCIPAL_AS_SECRETARY = "pri,true,Ida,Cole,A-1,ida.cole,ida@example.org,,,,,Secretary"
NOON = datetime(2026, 11, 10, 17, 0, tzinfo=UTC)

ZONE = "America/New_York"


async def ids(engine: AsyncEngine) -> dict[str, str]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            sa.text(
                "SELECT sourced_id, person_id::text FROM people"
                " UNION ALL SELECT sourced_id, school_id::text FROM schools"
            )
        )
        return {row[0]: row[1] for row in rows}


def audience(**fields: object) -> AudienceQuery:
    empty: dict[str, object] = dict.fromkeys(
        ("school_ids", "grades", "roles", "person_ids", "student_ids", "class_ids"), ()
    )
    return AudienceQuery(**{**empty, "working_school_id": "", **fields})  # type: ignore[arg-type]


async def resolve(
    engine: AsyncEngine, query: AudienceQuery, schools: frozenset[str] = actions.DISTRICT_WIDE
) -> list[pb.Recipient]:
    return [each async for piece in actions.resolve_audience(engine, query, schools) for each in piece]


@pytest.fixture
async def imported(directory_engine: AsyncEngine) -> AsyncEngine:
    answer = await importing.import_roster(directory_engine, roster(), ZONE, IMPORTER)
    assert {each.file_name: each.created for each in answer.files} == {"orgs.csv": 2, "users.csv": 9}
    assert answer.problem_count == 0
    await enable_exclusion(directory_engine)
    return directory_engine


async def test_the_same_roster_again_changes_nothing_and_tells_nobody_but_the_audit_log(imported: AsyncEngine) -> None:
    count = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.subject != SETTING_CHANGED)
    async with transaction(imported) as connection:
        before = await connection.scalar(count)
    answer = await importing.import_roster(imported, roster(), ZONE, IMPORTER)
    assert [(each.created, each.changed, each.unchanged) for each in answer.files] == [(0, 0, 2), (0, 0, 9)]
    async with transaction(imported) as connection:
        assert await connection.scalar(count) == before


async def test_a_missing_file_refuses_the_set_and_names_it(imported: AsyncEngine) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await importing.import_roster(imported, roster(roles="", users=USERS.replace("Amy", "Ann")), ZONE, IMPORTER)
    assert refusal.value.reason == "ROSTER_FILE_MISSING"
    assert refusal.value.violations[0].pointer == "/roles.csv"
    known = await ids(imported)
    async with transaction(imported) as connection:
        assert (await people.people_by_id(connection, [known["amy"]]))[0]["name"] == "Amy Stone"


async def test_a_broken_row_is_reported_by_line_and_the_others_come_in(directory_engine: AsyncEngine) -> None:
    users = USERS + "nob,true,No,Role,,,,,,,,\namy,true,Amy,Again,,,,,,,,\n"
    answer = await importing.import_roster(directory_engine, roster(users=users), ZONE, IMPORTER)
    assert [(each.file_name, each.line) for each in answer.problems] == [("users.csv", 11), ("users.csv", 12)]
    assert {each.file_name: each.created for each in answer.files}["users.csv"] == 9


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("identifier", ["{}", "", "", "", "", "", "09", ""]),
        ("grades", ["", "", "", "", "", "", "{},10", ""]),
        ("metadata.preferredLanguage", ["", "", "", "", "", "", "09", "{}"]),
    ],
)
async def test_what_no_message_could_carry_of_a_person_is_refused_in_the_roster(
    directory_engine: AsyncEngine, column: str, cells: list[str]
) -> None:
    head, *rows = USERS.replace("metadata.profile", "metadata.preferredLanguage").splitlines()
    for length, broken in ((200, []), (201, [(11, column)])):
        long = f"eva,true,Eva,Long,{','.join(cells).format('x' * length)}"
        users = "\n".join([head, *rows, long])
        files = roster(users=users, roles=f"{ROLES}10,eva,primary,student,s1\n")
        answer = await importing.import_roster(directory_engine, files, ZONE, IMPORTER)
        assert [(each.line, each.column) for each in answer.problems] == broken


async def test_who_left_the_roster_becomes_inactive_and_may_not_sign_in(imported: AsyncEngine) -> None:
    known = await ids(imported)
    users = "".join(line for line in USERS.splitlines(keepends=True) if not line.startswith("tea"))
    await importing.import_roster(imported, roster(users=users), ZONE, IMPORTER)
    with pytest.raises(NotFound):
        await actions.get_viewer(imported, known["tea"])


@pytest.mark.accepts(225, 227)
async def test_an_excluded_school_is_out_of_district_audiences_and_reaches_itself(imported: AsyncEngine) -> None:
    known = await ids(imported)
    wide = await resolve(imported, audience(roles=(Role.PARENT, Role.STUDENT)))
    assert {each.school_id for each in wide} == {known["s1"]}
    within = await resolve(imported, audience(roles=(Role.STUDENT,), working_school_id=known["s2"]))
    assert [each.name for each in within] == ["Zoe Hill"]


@pytest.mark.accepts(236)
async def test_the_preview_says_who_is_left_out_and_why(imported: AsyncEngine) -> None:
    preview = await actions.preview_audience(imported, audience(roles=(Role.PARENT,)), actions.DISTRICT_WIDE)
    assert (preview.recipients, preview.reachable["email"], preview.distinct["email"]) == (2, 2, 1)
    assert [(each.reason, each.count) for each in preview.left_out] == [
        ("Ridge High is excluded from communication.", 1)
    ]


@pytest.mark.accepts(236)
async def test_who_is_named_and_not_reached_is_said_with_the_names_of_those_in_sight(imported: AsyncEngine) -> None:
    known = await ids(imported)
    async with transaction(imported) as connection:
        await connection.execute(sa.text("UPDATE people SET is_active = false WHERE sourced_id IN ('ben', 'tea')"))
    named = audience(person_ids=(known["tea"], known["pri"]), student_ids=(known["amy"], known["ben"], known["zoe"]))
    near = await actions.preview_audience(imported, named, frozenset({known["s1"]}))
    assert (near.recipients, [(each.count, list(each.names)) for each in near.left_out]) == (
        2, [(3, ["Family of Ben Stone", "Tom Reed"])],
    )  # fmt: skip
    wide = await actions.preview_audience(imported, named, actions.DISTRICT_WIDE)
    assert [each.count for each in wide.left_out] == [1, 2]
    assert wide.left_out[0].reason == "Ridge High is excluded from communication."


@pytest.mark.accepts(75)
async def test_guardians_come_once_for_each_student_with_normalised_contacts(imported: AsyncEngine) -> None:
    rows = await resolve(imported, audience(roles=(Role.PARENT,)))
    assert [(each.name, each.regarding_student_name, each.email, each.mobile) for each in rows] == [
        ("Rosa Stone", "Amy Stone", "rosa@example.org", "+12125550101"),
        ("Rosa Stone", "Ben Stone", "rosa@example.org", "+12125550101"),
    ]


async def test_an_unusable_contact_is_kept_for_the_report(imported: AsyncEngine) -> None:
    known = await ids(imported)
    query = audience(student_ids=(known["zoe"],), working_school_id=known["s2"])
    (karl,) = await resolve(imported, query)
    assert dict(karl.invalid_contacts) == {"email": "not-an-address", "mobile": "123"}
    assert (karl.email, karl.mobile, karl.has_account) == ("", "", False)


@pytest.mark.accepts(7)
async def test_a_viewer_reaches_only_their_schools(imported: AsyncEngine) -> None:
    known = await ids(imported)
    assert await resolve(imported, audience(roles=(Role.STUDENT,)), frozenset({known["s2"]})) == []
    with pytest.raises(NotFound):
        await actions.get_person(imported, known["amy"], frozenset({known["s2"]}))


@pytest.mark.accepts(7, 50)
async def test_a_guardian_is_found_in_the_schools_of_their_students(imported: AsyncEngine) -> None:
    known = await ids(imported)
    for school, found in (("s1", ["Rosa Stone"]), ("s2", [])):
        async with transaction(imported) as connection:
            rows = await people.search(connection, "rosa", (), [known[school]], 10)
        assert [row["name"] for row in rows] == found
    seen = await actions.get_person(imported, known["mum"], frozenset({known["s1"]}))
    assert [each.person.name for each in seen.relations] == ["Amy Stone", "Ben Stone"]


@pytest.mark.accepts(177)
async def test_threat_alerts_go_to_the_school_and_the_district(imported: AsyncEngine) -> None:
    known = await ids(imported)
    holders = await actions.list_permission_holders(imported, "threat_alerts", [known["s1"]])
    assert [each.name for each in holders] == ["Ada North", "Ida Cole"]


@pytest.mark.accepts(7)
@pytest.mark.parametrize(
    ("seen", "asked", "found"),
    [
        (["s1"], [], ["Ada North", "Ida Cole"]),
        (["s2"], [], ["Ada North", "Lee Marsh"]),
        (["s2"], ["s1"], []),
        ([], [], []),
        (["*"], [], ["Ada North", "Ida Cole", "Lee Marsh"]),
    ],
)
async def test_a_viewer_finds_only_holders_in_reach_of_their_schools(
    imported: AsyncEngine, seen: list[str], asked: list[str], found: list[str]
) -> None:
    known = await ids(imported)
    schools = frozenset(known.get(each, each) for each in seen)
    set_caller(Caller("v", frozenset(), Viewer("v", "Vera", "admin", frozenset(), schools, all_users=False)))
    wanted = pb.ListPermissionHoldersRequest(permission="threat_alerts", school_ids=[known[each] for each in asked])
    answer = await DirectoryServicer(imported, "America/New_York").ListPermissionHolders(wanted, None)
    assert [each.name for each in answer.holders] == found


async def change(engine: AsyncEngine, request: pb.UpdateProfileRequest, by: Caller | None = None) -> pb.Profile:
    """Change a profile, at noon, as an operator unless somebody else is named."""
    return await editing.update_profile(engine, lambda: NOON, by or Caller("operator", frozenset(), None), request)


@pytest.mark.accepts(3)
async def test_a_teacher_profile_refuses_admin_switches(imported: AsyncEngine) -> None:
    async with transaction(imported) as connection:
        teacher = next(each for each in await settings.all_profiles(connection) if each["role"] == "teacher")
    request = pb.UpdateProfileRequest(profile_id=teacher["profile_id"], permissions=["threat_alerts"], version=1)
    with pytest.raises(FailedPrecondition):
        await change(imported, request)
    with pytest.raises(sa.exc.IntegrityError, match="permissions_fit_role"):
        async with transaction(imported) as connection:
            await settings.set_permissions(connection, teacher["profile_id"], ["threat_alerts"])


@pytest.mark.accepts(2, 5)
async def test_a_changed_profile_shows_in_the_next_answer(imported: AsyncEngine) -> None:
    known = await ids(imported)
    viewer = await actions.get_viewer(imported, known["cou"])
    assert list(viewer.permissions) == ["threat_alerts"]
    request = pb.UpdateProfileRequest(
        profile_id=viewer.person.profile_id, permissions=["flag_messages", "view_all_users"], version=1
    )
    await change(imported, request)
    assert list((await actions.get_viewer(imported, known["cou"])).permissions) == ["flag_messages", "view_all_users"]
    with pytest.raises(Aborted):
        await change(imported, request)


@pytest.mark.accepts(309)
async def test_a_changed_profile_tells_who_changed_which_permissions(imported: AsyncEngine) -> None:
    known = await ids(imported)
    profile_id = (await actions.get_viewer(imported, known["cou"])).person.profile_id
    request = pb.UpdateProfileRequest(profile_id=profile_id, permissions=["flag_messages", "view_audit"], version=1)
    vera = Viewer("v1", "Vera", "admin", frozenset(), frozenset(), all_users=True)
    await change(imported, request, Caller("v1", frozenset(), vera))
    request.permissions.append("threat_alerts")
    request.version = 2
    await change(imported, request)
    async with transaction(imported) as connection:
        wanted = sa.select(outbox.c.payload).where(outbox.c.subject == "directory.profile.changed.v1")
        told = [events.ProfileChanged.FromString(each) for each in (await connection.execute(wanted)).scalars()]
    assert [(each.changed_by_id, each.changed_by_name, list(each.added), list(each.removed)) for each in told] == [
        ("v1", "Vera", ["flag_messages", "view_audit"], ["threat_alerts"]),
        ("operator", "operator", ["threat_alerts"], []),
    ]
    assert [(each.profile.version, each.changed_at.ToDatetime(UTC)) for each in told] == [(2, NOON), (3, NOON)]


@pytest.mark.accepts(235)
async def test_unticking_the_exclusion_restores_the_school(imported: AsyncEngine) -> None:
    await importing.import_roster(imported, roster(orgs=ORGS.replace("d1,true", "d1,false")), ZONE, IMPORTER)
    assert len(await resolve(imported, audience(roles=(Role.STUDENT,)))) == 3


async def test_quiet_hours_are_kept_through_an_import_and_ended(imported: AsyncEngine) -> None:
    school_id = (await ids(imported))["s1"]
    here, elsewhere = (
        Caller("v1", frozenset(), Viewer("v1", "Vera", "admin", frozenset(), frozenset({each}), all_users=False))
        for each in (school_id, "another")
    )
    changed = await editing.set_quiet_hours(imported, lambda: NOON, here, school_id, (time(21), time(0)))
    assert (changed.quiet_from, changed.quiet_until) == ("21:00", "00:00")
    with pytest.raises(NotFound):
        await editing.set_quiet_hours(imported, lambda: NOON, elsewhere, school_id, None)
    await importing.import_roster(imported, roster(orgs=ORGS.replace("Lincoln", "Lincoln Old")), ZONE, IMPORTER)
    async with transaction(imported) as connection:
        school = next(each for each in await people.all_schools(connection) if each["school_id"] == school_id)
        events_told = (await connection.execute(sa.select(sa.func.count()).select_from(outbox))).scalar_one()
    assert school["quiet_from"] == time(21)
    assert events_told > 0
    ended = await editing.set_quiet_hours(imported, lambda: NOON, OPERATOR, school_id, None)
    assert (ended.quiet_from, ended.quiet_until) == ("", "")


async def test_a_school_of_an_unknown_zone_gets_no_quiet_hours(imported: AsyncEngine) -> None:
    school_id = (await ids(imported))["s1"]
    async with transaction(imported) as connection:
        await connection.execute(sa.text("UPDATE schools SET time_zone = 'Mars/Base'"))
    with pytest.raises(FailedPrecondition) as caught:
        await editing.set_quiet_hours(imported, lambda: NOON, OPERATOR, school_id, (time(21), time(7)))
    assert caught.value.reason == "TIME_ZONE_UNKNOWN"


@pytest.mark.accepts(309)
async def test_an_import_tells_whose_administrators_profile_is_another_one(imported: AsyncEngine) -> None:
    known = await ids(imported)
    users = USERS.replace("pri,true,Ida,Cole,A-1,ida.cole,ida@example.org,,,,,", PRINCIPAL_AS_SECRETARY)
    users = users.replace("cou,true,Lee", "cou,false,Lee")
    for _ in range(2):
        await importing.import_roster(imported, roster(users=users), ZONE, IMPORTER)
    wanted = sa.select(outbox.c.payload).where(outbox.c.subject == "directory.profile.assigned.v1")
    async with transaction(imported) as connection:
        payloads = (await connection.execute(wanted.order_by(outbox.c.id))).scalars()
        first, *later = [events.ProfilesAssigned.FromString(each) for each in payloads]
    assert {each.person_id: (each.before, each.after) for each in first.assignments} == {
        known["pri"]: ("", "Principal"), known["off"]: ("", "District administrator"), known["cou"]: ("", "Counsellor"),
    }  # fmt: skip
    (second,) = later
    assert (second.changed_by_id, second.changed_at.ToDatetime(UTC)) == ("operator", NOON)
    assert {each.person_id: (each.before, each.after) for each in second.assignments} == {
        known["pri"]: ("Principal", "Secretary"), known["cou"]: ("Counsellor", ""),
    }  # fmt: skip
