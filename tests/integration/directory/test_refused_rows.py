"""A refused row of a roster leaves as they were whom it is of: it is no word that they left."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.directory import actions, importing
from services.directory.domain import AudienceQuery, Role
from services.directory.tables import classes
from services.kit.errors import InvalidArgument
from tests.integration.directory.roster_files import IMPORTER, ORGS, ROLES, USERS, roster
from tests.integration.directory.test_directory import ids

LONG = "x" * 201
CLASSES = "sourcedId,title,schoolSourcedId\nc1,Maths,s1\n"
ENROLLMENTS = "classSourcedId,userSourcedId,role\nc1,amy,student\nc1,tea,teacher\n"


async def take(engine: AsyncEngine, **changed: str) -> list[tuple[str, str]]:
    """Import; return file and column of each refused row."""
    files = roster(**{"classes": CLASSES, "enrollments": ENROLLMENTS, **changed})
    answer = await importing.import_roster(engine, files, "America/New_York", IMPORTER)
    assert sum(each.deactivated for each in answer.files) == 0
    return [(each.file_name, each.column) for each in answer.problems]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_a_zero_character_refuses_the_set_with_its_line(directory_engine: AsyncEngine, end: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await take(directory_engine, users=USERS.replace("Ben", "B\0n").replace("\n", end))
    assert refusal.value.reason == "ROSTER_NOT_TEXT"
    assert refusal.value.violations == (("/users.csv", "There is a zero character in line 3."),)


async def found(engine: AsyncEngine, *roles: Role, class_id: str = "") -> list[str]:
    """Return whom a message reaches, and regarding whom."""
    query = AudienceQuery((), (), roles, (), (), (class_id,) if class_id else (), "")
    pieces = actions.resolve_audience(engine, query, actions.DISTRICT_WIDE)
    return sorted([f"{each.name} {each.regarding_student_name}".strip() async for piece in pieces for each in piece])


async def maths(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return str((await connection.execute(sa.select(classes.c.class_id).where(classes.c.is_active))).scalar_one())


@pytest.fixture
async def imported(directory_engine: AsyncEngine) -> AsyncEngine:
    assert await take(directory_engine) == []
    return directory_engine


@pytest.mark.parametrize(
    ("changed", "problems"),
    [
        ({"users": USERS.replace("1001", LONG)}, [("users.csv", "identifier"), ("enrollments.csv", "classSourcedId")]),
        (
            {"users": USERS.replace("Rosa,Stone,,", f"Rosa,Stone,{LONG},")},
            [("users.csv", "identifier"), *[("users.csv", "agentSourcedIds")] * 2],
        ),
        (
            {"users": USERS.replace("tom@example.org,,,,,", "tom@example.org,,,,,Substitute")},
            [("users.csv", "metadata.profile")],
        ),
        (
            {"roles": ROLES.replace("teacher,s1", "substitute,s1")},
            [("roles.csv", "role"), ("users.csv", "sourcedId"), ("enrollments.csv", "classSourcedId")],
        ),
        ({"orgs": ORGS.replace("Lincoln High", LONG)}, [("orgs.csv", "name")]),
    ],
    ids=["student", "guardian", "profile", "role", "school"],
)
async def test_nobody_leaves_by_a_refused_row(
    imported: AsyncEngine, changed: dict[str, str], problems: list[tuple[str, str]]
) -> None:
    known = await ids(imported)
    everybody = (Role.PARENT, Role.STUDENT, Role.TEACHER, Role.ADMIN)
    before = await found(imported, *everybody)
    viewers = [await actions.get_viewer(imported, known[each]) for each in ("amy", "mum", "tea", "pri")]
    assert await take(imported, **changed) == problems
    assert await found(imported, *everybody) == before
    assert [await actions.get_viewer(imported, known[each]) for each in ("amy", "mum", "tea", "pri")] == viewers
    assert await found(imported, Role.STUDENT, Role.PARENT, class_id=await maths(imported)) == [
        "Amy Stone Amy Stone",
        "Rosa Stone Amy Stone",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"users": USERS.replace("Rosa,Stone,,", f"Rosa,Stone,{LONG},")},
        {"users": USERS.replace("0101,,,,", "0101,,,,Friend")},
        {"roles": ROLES.replace("mum,primary,guardian", "mum,primary,emergencyContact")},
    ],
    ids=["identifier", "profile", "role"],
)
async def test_a_refused_guardian_is_no_more_one_of_a_student_who_names_them_no_more(
    imported: AsyncEngine, changed: dict[str, str]
) -> None:
    users = {"users": USERS, **changed}["users"].replace("amy.stone,,,,mum", "amy.stone,,,,")
    assert len(await take(imported, **{**changed, "users": users})) > 0
    assert await found(imported, Role.PARENT) == ["Karl Hill Zoe Hill", "Rosa Stone Ben Stone"]


@pytest.mark.parametrize(
    ("users", "line"),
    [
        (USERS.replace("Amy", '"Amy'), 2),
        (USERS.replace("Lee,", '"Lee,'), 10),
        (USERS.replace("Amy", '"Amy') + "x" * 131_072, 2),
        (USERS.replace("Amy", '"Amy" Ann'), 2),
        ('"' + USERS, 1),
    ],
    ids=["row", "last row", "long", "behind a closed one", "header"],
)
async def test_a_quote_that_is_not_closed_refuses_the_set_with_its_line(
    directory_engine: AsyncEngine, users: str, line: int
) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await take(directory_engine, users=users)
    assert refusal.value.reason == "ROSTER_NOT_CSV"
    [told] = refusal.value.violations
    assert told.pointer == "/users.csv"
    assert told.detail.startswith(f"From line {line} on ")


async def test_lines_may_end_as_on_an_old_macintosh(directory_engine: AsyncEngine) -> None:
    assert await take(directory_engine, users=USERS.replace("\n", "\r")) == []
