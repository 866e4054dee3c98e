"""People with several rows of roles.csv: which of them says who they are, and where."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.directory import actions, importing
from tests.integration.directory.roster_files import IMPORTER, ROLES, USERS, roster
from tests.integration.directory.test_directory import ids

USER = "two,true,Bo,Both,T-2,bo.both,bo@example.org,,,,,\n"


async def who(engine: AsyncEngine, *rows: str) -> tuple[str, list[str], list[str]]:
    """Import somebody with these rows; return their profile, their schools and who is alerted in the second one."""
    roles = ROLES + "".join(f"{number},two,{row}\n" for number, row in enumerate(rows, 10))
    answer = await importing.import_roster(engine, roster(users=USERS + USER, roles=roles), "UTC", IMPORTER)
    assert list(answer.problems) == []
    known = await ids(engine)
    viewer = await actions.get_viewer(engine, known["two"])
    alerted = await actions.list_permission_holders(engine, "threat_alerts", [known["s2"]])
    titles = {known["s1"]: "s1", known["s2"]: "s2"}
    return viewer.profile_name, [titles[each] for each in viewer.person.school_ids], [each.name for each in alerted]


BESIDE = ["Ada North", "Lee Marsh"]
"""Who is alerted of threats in the second school without anybody of two roles."""


@pytest.mark.accepts(7, 11)
@pytest.mark.parametrize("kind", ["primary", "secondary"])
@pytest.mark.parametrize("family", ["parent", "guardian", "relative"])
async def test_a_principal_whose_child_attends_another_school_is_principal_of_their_own_alone(
    directory_engine: AsyncEngine, kind: str, family: str
) -> None:
    rows = ("primary,principal,s1", f"{kind},{family},s2")
    for ordered in (rows, rows[::-1]):
        assert await who(directory_engine, *ordered) == ("Principal", ["s1"], BESIDE)


@pytest.mark.parametrize(
    ("rows", "profile", "schools"),
    [
        (("primary,student,s1", "primary,aide,s2"), "Student", ["s1"]),
        (("primary,aide,s2", "primary,student,s1"), "Student", ["s1"]),
        (("primary,parent,s2", "primary,student,s1"), "Student", ["s1"]),
        (("secondary,student,s2", "primary,teacher,s1"), "Teacher", ["s1"]),
        (("primary,student,s1", "secondary,student,s2"), "Student", ["s1", "s2"]),
        (("secondary,teacher,s2", "primary,teacher,s1"), "Teacher", ["s1", "s2"]),
        (("primary,counselor,s2", "primary,teacher,s1"), "Counsellor", ["s2", "s1"]),
        (("secondary,aide,s1", "primary,guardian,d1"), "Parent", []),
    ],
)
async def test_the_kind_of_the_first_primary_role_says_who_somebody_is_and_where(
    directory_engine: AsyncEngine, rows: tuple[str, ...], profile: str, schools: list[str]
) -> None:
    assert (await who(directory_engine, *rows))[:2] == (profile, schools)
