"""A family belongs to the schools of the children who are there, not to those that a child left."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.directory import actions, importing
from services.directory.domain import AudienceQuery
from services.directory.store import people
from services.kit.db import transaction
from services.kit.errors import NotFound
from tests.integration.directory.roster_files import IMPORTER, ROLES, USERS, roster
from tests.integration.directory.test_directory import ids

SIBLING = "kim,true,Kim,Hill,1004,kim.hill,,,,dad,09,\n"
USERS_BEFORE = USERS.replace("dad,false,Karl,Hill,,", "dad,true,Karl,Hill,,karl.hill") + SIBLING
ROLES_BEFORE = f"{ROLES}10,kim,primary,student,s1\n"


async def take(engine: AsyncEngine, *gone: str) -> None:
    """Import the set without some people."""
    users = "".join(line for line in USERS_BEFORE.splitlines(keepends=True) if line.split(",")[0] not in gone)
    files = roster(users=users, roles=ROLES_BEFORE)
    await importing.import_roster(engine, files, "America/New_York", IMPORTER)


async def found(engine: AsyncEngine, person_id: str, school_id: str) -> list[bool]:
    """Tell whether staff of the school find the father by name, by id, in his record, and as a recipient."""
    schools = frozenset({school_id})
    async with transaction(engine) as connection:
        by_name = await people.search(connection, "karl", (), [school_id], 10)
        by_id = await people.people_by_id(connection, [person_id], seen_schools=schools)
    try:
        seen = [await actions.get_person(engine, person_id, schools)]
    except NotFound:
        seen = []
    query = AudienceQuery((), (), (), (person_id,), (), (), "")
    reached = [each async for piece in actions.resolve_audience(engine, query, schools) for each in piece]
    return [bool(each) for each in (by_name, by_id, seen, reached)]


@pytest.mark.accepts(7)
async def test_a_school_does_not_keep_the_family_of_a_child_who_left(directory_engine: AsyncEngine) -> None:
    await take(directory_engine)
    known = await ids(directory_engine)
    assert await found(directory_engine, known["dad"], known["s2"]) == [True] * 4
    await take(directory_engine, "zoe")
    assert await found(directory_engine, known["dad"], known["s2"]) == [False] * 4
    assert await found(directory_engine, known["dad"], known["s1"]) == [True] * 4
    assert list((await actions.get_viewer(directory_engine, known["dad"])).school_ids) == [known["s1"]]


@pytest.mark.accepts(7)
async def test_of_a_guardians_children_a_viewer_sees_those_at_their_own_schools(directory_engine: AsyncEngine) -> None:
    await take(directory_engine)
    known = await ids(directory_engine)
    for schools, children in (
        ({known["s1"]}, ["Kim Hill"]),
        ({known["s2"]}, ["Zoe Hill"]),
        ({"*"}, ["Kim Hill", "Zoe Hill"]),
    ):
        seen = await actions.get_person(directory_engine, known["dad"], frozenset(schools))
        assert sorted(each.person.name for each in seen.relations) == children


async def test_the_record_of_a_family_that_left_altogether_stays_with_its_school(directory_engine: AsyncEngine) -> None:
    await take(directory_engine)
    known = await ids(directory_engine)
    await take(directory_engine, "zoe", "kim", "dad")
    assert await found(directory_engine, known["dad"], known["s2"]) == [False, True, True, False]
