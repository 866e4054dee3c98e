"""Importing a roster: read, written in one transaction, and told to the others."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from services.directory import events, messages
from services.directory.domain import STAFF, Permission, Role
from services.directory.leaving import Active, check_leavers, check_managers, check_reach
from services.directory.metrics import roster_age
from services.directory.oneroster import read_roster
from services.directory.roster import PersonRow, Roster
from services.directory.store import people, reach, roster
from services.directory.tables import people as people_table
from services.directory.tables import schools as schools_table
from services.kit.clock import Clock
from services.kit.db import transaction

Row = dict[str, object]

_PROBLEMS_SHOWN = 1000
_PEOPLE_PER_PIECE = 500


async def import_roster(
    engine: AsyncEngine, files: dict[str, bytes], time_zone: str, by: events.Changer, *, accepts_leavers: bool = False
) -> pb.ImportRosterResponse:
    """Import a OneRoster set in one transaction and tell what changed.

    Raises what read_roster raises and, unless the caller accepts it, FailedPrecondition when many would leave
    or be out of reach.
    """
    # In threads: a large roster takes seconds, and everybody's next click begins with a question to this process.
    read = await asyncio.to_thread(read_roster, files)
    async with transaction(engine) as connection:
        known = await roster.active(connection)
        profiles, ticked = await roster.profile_ids(connection), await roster.ticked_schools(connection)
        rows = await asyncio.to_thread(prepare, read, known, profiles, ticked, time_zone)
        if not accepts_leavers:
            check_leavers(known, read)
        administrators = await roster.administrators(connection)
        has_manager = await people.somebody_holds(connection, Permission.MANAGE_PROFILES)
        tallies = await _write(connection, read, known, *rows, accepts_leavers=accepts_leavers)
        if has_manager and not accepts_leavers:
            check_managers(is_somebody_left=await people.somebody_holds(connection, Permission.MANAGE_PROFILES))
        await events.tell_assigned(connection, administrators, await roster.administrators(connection), by)
        await roster.note_import(connection, by.at)
        await events.tell_setting(connection, by, "roster.imported", _in_words(read, tallies))
    return _answer(read, tallies)


async def measure_age(engine: AsyncEngine, clock: Clock) -> None:
    """Set the gauge of how long ago a roster was imported last."""
    async with transaction(engine) as connection:
        imported_at = await roster.last_import(connection)
    if imported_at:
        roster_age.set(max(0.0, (clock() - imported_at).total_seconds()))


def _in_words(read: Roster, tallies: dict[str, roster.Tally]) -> str:
    counts = [
        f"{name}: created={each.created} changed={each.changed} left={each.deactivated}"
        for name, each in tallies.items()
    ]
    return "; ".join([*counts, f"rows refused={len(read.problems)}"])


def _answer(read: Roster, tallies: dict[str, roster.Tally]) -> pb.ImportRosterResponse:
    problems = [
        pb.RosterProblem(file_name=each.file_name, line=each.line, column=each.column, detail=each.detail)
        for each in read.problems[:_PROBLEMS_SHOWN]
    ]
    results = [pb.RosterFileResult(file_name=name, **tally._asdict()) for name, tally in tallies.items()]
    return pb.ImportRosterResponse(files=results, problems=problems, problem_count=len(read.problems))


def prepare(
    read: Roster, known: Active, profiles: dict[str, tuple[str, str]], ticked: set[str], time_zone: str
) -> tuple[list[Row], list[Row]]:
    """Settle what depends on what is here already; return the rows of schools and of people."""
    _assign_profiles(read, profiles)
    _drop_references(read, known)
    return _school_rows(read, ticked, time_zone), [_person_row(person) for person in read.people.values()]


def _assign_profiles(read: Roster, profiles: dict[str, tuple[str, str]]) -> None:
    """Give everybody their profile's id; who has none is refused."""
    for sourced_id, person in list(read.people.items()):
        person.profile_id, role = profiles.get(person.profile.lower(), ("", ""))
        if {role, person.role} <= set(STAFF):
            # OneRoster knows no secretaries: whoever stands for one there is what the profile says here.
            person.role = Role(role)
        elif role != person.role:
            detail = f"There is no {person.role} profile {person.profile[:60]!r}."
            read.refuse("users.csv", person.line, "metadata.profile", detail)
            del read.people[sourced_id]
            read.refused_people.add(sourced_id)


def _drop_references(read: Roster, known: Active) -> None:
    """Drop what refers to a refused row: it is written no more, though schools that are here already can be meant."""
    read.refused_schools &= known.schools.keys()
    for person in read.people.values():
        person.refused_agents = [each for each in person.agents if each in read.refused_people]
        person.agents = [each for each in person.agents if each in read.people]
        person.schools = [each for each in person.schools if read.knows_school(each)]
    read.classes = {each: row for each, row in read.classes.items() if read.knows_school(row[1])}
    read.enrollments = {
        each: role for each, role in read.enrollments.items() if each[0] in read.classes and each[1] in read.people
    }


async def _write(
    connection: AsyncConnection,
    read: Roster,
    known: Active,
    school_rows: list[Row],
    person_rows: list[Row],
    *,
    accepts_leavers: bool,
) -> dict[str, roster.Tally]:
    closing, leaving = known.schools.keys() - read.staying_schools(), known.people.keys() - read.staying_people()
    schools, touched_schools = await roster.write_rows(connection, schools_table, "school_id", school_rows, closing)
    persons, touched_people = await roster.write_rows(connection, people_table, "person_id", person_rows, leaving)
    # Counted when who leaves has left: what they had is not lost.
    before = {} if accepts_leavers else await reach.count_reach(connection)
    await roster.write_links(connection, read)
    if before:
        check_reach(before, await reach.count_reach(connection))
    rows = [row for row in await people.all_schools(connection) if row["school_id"] in touched_schools]
    await events.tell_schools(connection, [messages.school_message(row) for row in rows])
    await _tell_people(connection, list(touched_people))
    return {"orgs.csv": schools, "users.csv": persons}


async def _tell_people(connection: AsyncConnection, person_ids: Sequence[str]) -> None:
    # Piece by piece: a first import touches everybody, who need not all be in memory as rows and messages, too.
    for start in range(0, len(person_ids), _PEOPLE_PER_PIECE):
        rows = await people.people_by_id(connection, person_ids[start : start + _PEOPLE_PER_PIECE])
        await events.tell_people(connection, [messages.person_message(row) for row in rows])


def _school_rows(read: Roster, ticked: set[str], time_zone: str) -> list[Row]:
    grades = _grades_by_school(read)
    return [
        {
            **row,
            "time_zone": row["time_zone"] or time_zone,
            "grades": sorted(grades.get(each, ())),
            "is_excluded": each in ticked if row["is_excluded"] is None else row["is_excluded"],
        }
        for each, row in read.schools.items()
    ]


def _grades_by_school(read: Roster) -> dict[str, set[str]]:
    grades: dict[str, set[str]] = {}
    for person in read.people.values():
        if person.role is Role.STUDENT and person.grade:
            for school in person.schools:
                grades.setdefault(school, set()).add(person.grade)
    return grades


def _person_row(person: PersonRow) -> Row:
    fields = [
        "sourced_id",
        "name",
        "number",
        "grade",
        "language",
        "has_account",
        "is_active",
        "title",
        "role",
        "profile_id",
    ]
    return {**{name: getattr(person, name) for name in fields}, "role": person.role.value}
