"""A roster by which more would leave than on an ordinary night is refused, unless the caller says that they did."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from services.directory.rpc import DirectoryServicer
from services.directory.tables import people
from services.kit.auth import set_caller
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, InvalidArgument
from tests.integration.directory.roster_files import MANIFEST, OPERATOR, ORGS, ROLES, USERS, roster

ZONE = "America/New_York"
HEADER = USERS.splitlines(keepends=True)[0]


def school(students: int, **changed: str) -> dict[str, bytes]:
    """Return the set with so many students more, all of s1."""
    users = "".join(f"n{i},true,Nia,Number {i},,,,,,,09,\n" for i in range(students))
    roles = "".join(f"9{i},n{i},primary,student,s1\n" for i in range(200))
    return roster(**{"users": USERS + users, "roles": ROLES + roles, **changed})


def without(text: str, *starts: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(starts))


async def take(engine: AsyncEngine, files: dict[str, bytes], *, accepts_leavers: bool = False) -> dict[str, int]:
    """Import as a student information system does; return how many rows were made inactive, by file."""

    async def pieces() -> AsyncIterator[pb.ImportRosterRequest]:
        for position, (name, content) in enumerate(files.items()):
            said = accepts_leavers and position == 0
            yield pb.ImportRosterRequest(file_name=name, chunk=content, accepts_leavers=said)

    set_caller(OPERATOR)
    answer = await DirectoryServicer(engine, ZONE).ImportRoster(pieces(), None)
    return {each.file_name: each.deactivated for each in answer.files}


async def active(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        query = sa.select(sa.func.count()).select_from(people).where(people.c.is_active)
        return int((await connection.execute(query)).scalar_one())


async def refused(engine: AsyncEngine, files: dict[str, bytes]) -> list[str]:
    """Return why the set is refused, and see that everybody is still there."""
    before = await active(engine)
    with pytest.raises(FailedPrecondition) as refusal:
        await take(engine, files)
    assert refusal.value.reason == "ROSTER_LEAVERS"
    assert await active(engine) == before
    return [each.detail for each in refusal.value.violations]


async def test_a_set_that_was_cut_is_refused_and_changes_nothing(directory_engine: AsyncEngine) -> None:
    await take(directory_engine, school(120))
    told = await refused(directory_engine, school(60))
    assert told == ["60 of 123 students would leave."]
    told = await refused(directory_engine, school(0, users=HEADER))
    assert told == [
        f"{all_of} would leave."
        for all_of in ("3 of 3 admins", "1 of 1 teachers", "123 of 123 students", "2 of 2 parents")
    ]


async def test_an_ordinary_night_and_what_the_caller_stands_for_come_in(directory_engine: AsyncEngine) -> None:
    await take(directory_engine, school(120))
    assert (await take(directory_engine, school(108)))["users.csv"] == 12
    assert (await take(directory_engine, school(20), accepts_leavers=True))["users.csv"] == 88
    assert (await take(directory_engine, school(10)))["users.csv"] == 10


async def test_who_is_listed_as_to_be_deleted_leaves_as_who_is_listed_no_more(directory_engine: AsyncEngine) -> None:
    await take(directory_engine, school(120))
    first, *rest = school(120)["users.csv"].decode().splitlines()
    gone = [f"{line},tobedeleted" if line.startswith("n") else f"{line},active" for line in rest]
    users = "\n".join([f"{first},status", *gone])
    assert await refused(directory_engine, school(120, users=users)) == ["120 of 123 students would leave."]
    assert (await take(directory_engine, school(120, users=users), accepts_leavers=True))["users.csv"] == 120


async def test_a_school_that_closes_takes_the_callers_word(directory_engine: AsyncEngine) -> None:
    await take(directory_engine, roster())
    orgs = without(ORGS, "s2")
    assert await refused(directory_engine, roster(orgs=orgs)) == ["1 of 2 schools would close: Ridge High."]
    assert (await take(directory_engine, roster(orgs=orgs), accepts_leavers=True))["orgs.csv"] == 1


async def test_somebody_stays_who_edits_profiles(directory_engine: AsyncEngine) -> None:
    await take(directory_engine, roster())
    users = without(USERS, "off")
    assert await refused(directory_engine, roster(users=users)) == ["Nobody who edits profiles could sign in any more."]
    assert (await take(directory_engine, roster(users=users), accepts_leavers=True))["users.csv"] == 1


@pytest.mark.parametrize("file", ["users", "enrollments"])
async def test_a_set_of_changes_alone_is_refused(directory_engine: AsyncEngine, file: str) -> None:
    await take(directory_engine, roster())
    files = roster(
        manifest=MANIFEST.replace(f"file.{file},bulk\n", "") + f"file.{file},delta\n",
        users=HEADER,
        enrollments="classSourcedId,userSourcedId,role\n",
    )
    with pytest.raises(InvalidArgument) as refusal:
        await take(directory_engine, files, accepts_leavers=True)
    assert (refusal.value.reason, refusal.value.violations[0].pointer) == ("ROSTER_DELTA", f"/{file}.csv")
    assert await active(directory_engine) == 9
