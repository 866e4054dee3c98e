"""A roster by which many would stay and be out of reach is refused, unless the caller says that it is so."""

import csv
import io
from collections.abc import Collection
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.directory.tables import contacts, enrollments, relations
from services.kit.errors import InvalidArgument
from tests.integration.directory.roster_files import ROLES, USERS, roster
from tests.integration.directory.test_leavers import refused, take

FAMILIES = 40
EVERYBODY = range(FAMILIES)
STUDENT = "n{n},true,Nia,Number {n},,,,,,{agents},09,\n"
GUARDIAN = "{kind}{n},true,Gil,Number {n},,,{kind}{n}@example.org,(212) 555-01{n:02},(212) 555-01{n:02},,,\n"
CLASSES = "sourcedId,title,schoolSourcedId\nc1,Maths,s1\n"


def school(
    gone: int = 0,
    lost: Collection[int] = (),
    left_out: Collection[str] = (),
    agents: str = "g{n},h{n}",
    **changed: str,
) -> dict[str, bytes]:
    """Return the set with forty families more: some are gone or lost their guardians, and columns are left out."""
    users, roles, enrolled = USERS, ROLES, "classSourcedId,userSourcedId,role\n"
    for n in EVERYBODY[gone:]:
        named = "" if n in lost else f'"{agents}"'.format(n=n)
        users += STUDENT.format(n=n, agents=named) + "".join(GUARDIAN.format(kind=kind, n=n) for kind in "gh")
        roles += f"9{n},n{n},primary,student,s1\n8{n},g{n},primary,guardian,d1\n7{n},h{n},primary,guardian,d1\n"
        enrolled += f"c1,n{n},student\n"
    files = {"users": without(users, left_out), "roles": roles, "classes": CLASSES, "enrollments": enrolled, **changed}
    return roster(**files)


def without(users: str, columns: Collection[str]) -> str:
    rows = list(csv.DictReader(io.StringIO(users)))
    text = io.StringIO()
    writer = csv.DictWriter(text, [each for each in rows[0] if each not in columns], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


async def links(engine: AsyncEngine) -> list[int]:
    """Return how many relations, contacts and enrollments there are."""
    async with engine.connect() as connection:
        counts = [sa.select(sa.func.count()).select_from(table) for table in (relations, contacts, enrollments)]
        return [int((await connection.execute(each)).scalar_one()) for each in counts]


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        ({"left_out": ["sms"]}, ["Of 81 parents with a mobile number, 0 would still have one."]),
        (
            {"left_out": ["email", "phone"]},
            [
                "Of 81 parents with an e-mail address, 0 would still have one.",
                "Of 80 parents with a landline, 0 would still have one.",
            ],
        ),
        (
            {"lost": EVERYBODY},
            [
                "Of 43 students with a guardian, 3 would still have one.",
                "Of 82 parents with a child, 2 would still have one.",
            ],
        ),
        ({"agents": "g{n}"}, ["Of 82 parents with a child, 42 would still have one."]),
        (
            {"enrollments": "classSourcedId,userSourcedId,role\n"},
            ["Of 40 students with a class, 0 would still have one."],
        ),
        ({"classes": "", "enrollments": ""}, ["Of 40 students with a class, 0 would still have one."]),
    ],
    ids=["column", "columns", "guardians", "first guardians alone", "enrollments", "no classes"],
)
async def test_a_set_by_which_families_are_out_of_reach_takes_the_callers_word(
    directory_engine: AsyncEngine, cut: dict[str, Any], told: list[str]
) -> None:
    await take(directory_engine, school())
    before = await links(directory_engine)
    assert sorted(await refused(directory_engine, school(**cut))) == sorted(told)
    assert await links(directory_engine) == before
    await take(directory_engine, school(**cut), accepts_leavers=True)
    assert await links(directory_engine) != before
    await take(directory_engine, school(**cut))


async def test_what_a_few_lose_and_what_leaves_with_people_is_an_ordinary_night(directory_engine: AsyncEngine) -> None:
    await take(directory_engine, school())
    await take(directory_engine, school(gone=5, lost=range(5, 10)))
    told = await refused(directory_engine, school(gone=5, lost=range(5, 16)))
    assert told == ["Of 62 parents with a child, 50 would still have one."]


async def test_a_system_without_a_column_of_contacts_is_taken_and_one_without_guardians_is_not(
    directory_engine: AsyncEngine,
) -> None:
    await take(directory_engine, school(left_out=["sms", "phone", "email"]))
    before = await links(directory_engine)
    with pytest.raises(InvalidArgument) as refusal:
        await take(directory_engine, school(left_out=["agentSourcedIds"]), accepts_leavers=True)
    assert refusal.value.reason == "ROSTER_COLUMN_MISSING"
    assert [each.pointer for each in refusal.value.violations] == ["/users.csv/agentSourcedIds"]
    assert await links(directory_engine) == before
