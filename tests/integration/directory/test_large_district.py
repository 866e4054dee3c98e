"""A district of more people than a statement has parameters: 65,535 of them."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import directory_pb2 as events
from services.directory import importing
from services.directory.domain import Role
from services.directory.roster import PersonRow, Roster
from services.directory.store import roster as store
from services.directory.tables import outbox
from services.kit.db import transaction
from tests.integration.directory.roster_files import IMPORTER, roster

MANY = 66_000
_PEOPLE = """
INSERT INTO people
SELECT gen_random_uuid(), 'p' || n, 'Person ' || n, 'student', '', '', 'en', profile_id, true, true, '', 1
FROM profiles, generate_series(1, :many) n WHERE profiles.name = 'Student'
"""


@pytest.fixture
async def large(directory_engine: AsyncEngine) -> AsyncEngine:
    async with transaction(directory_engine) as connection:
        await connection.execute(sa.text(_PEOPLE), {"many": MANY})
    return directory_engine


def person(number: int) -> PersonRow:
    fields = dict.fromkeys(("number", "grade", "language", "title", "relationship"), "")
    return PersonRow(
        f"p{number}", "Pat", Role.STUDENT, "Student", **fields, has_account=True, is_active=True, schools=[],
        contacts=[], agents=[], refused_agents=[], line=number,
    )  # fmt: skip


async def test_the_links_of_a_large_district_are_written(large: AsyncEngine) -> None:
    everybody = Roster(people={f"p{number}": person(number) for number in range(1, MANY + 1)})
    async with transaction(large) as connection:
        await store.write_links(connection, everybody)


async def test_the_others_are_told_of_everybody_whom_an_import_changes(large: AsyncEngine) -> None:
    answer = await importing.import_roster(large, roster(), "America/New_York", IMPORTER, accepts_leavers=True)
    assert {each.file_name: each.deactivated for each in answer.files}["users.csv"] == MANY
    wanted = sa.select(outbox.c.payload).where(outbox.c.subject == "directory.person.changed.v1")
    async with transaction(large) as connection:
        told = [events.PeopleChanged.FromString(each) for each in (await connection.execute(wanted)).scalars()]
    assert sum(len(each.people) for each in told) == MANY + 9
