"""Builds the whole district in memory, which takes well under a second."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from deploy.local.district.contacts import ContactBook
from deploy.local.district.families import Families
from deploy.local.district.model import District, Person, School, Session
from deploy.local.district.schooling import Schooling, give_staff_contacts
from deploy.local.district.source import data, identifier, stream

DEFAULT_SEED = 20
DEFAULT_STUDENTS = 1600


def today_in_district() -> date:
    """Return the date that it is in the district now."""
    return datetime.now(ZoneInfo(data("district")["time_zone"])).date()


def build(seed: int, students: int, as_of: date) -> District:
    """Return the district that these arguments stand for.

    `students` is 50 or more; `as_of` decides the school year. Raises ValueError when there are too few students for
    every grade to have some, or too many for the fictional telephone numbers that exist.
    """
    if students < 50:
        raise ValueError("A district needs 50 students or more, so that every grade of every school has one.")
    district = _empty(seed, as_of)
    book = ContactBook(stream(seed, "contacts"))
    _add_staff(district, book)
    Families(district, book).fill(_places(district, students))
    Schooling(district, book).fill()
    _name_demonstration_accounts(district)
    return district


def _empty(seed: int, as_of: date) -> District:
    plan = data("district")
    schools = [
        School(identifier(seed, "school", one["key"]), one["key"], one["name"], one["short"], one["identifier"],
               tuple(one["grades"]), one["share"], one["excluded"])
        for one in plan["schools"]
    ]  # fmt: skip
    return District(seed, as_of, identifier(seed, "district", 1), plan["name"], plan["identifier"], plan["time_zone"],
                    schools, _sessions(seed, as_of))  # fmt: skip


def _sessions(seed: int, as_of: date) -> list[Session]:
    start = as_of.year if as_of.month >= 7 else as_of.year - 1
    year = identifier(seed, "session", f"{start}-year")
    # OneRoster names a school year by the year in which it ends.
    return [
        Session(year, f"{start}-{start + 1}", "schoolYear", date(start, 7, 1), date(start + 1, 7, 1), "", start + 1),
        Session(identifier(seed, "session", f"{start}-fall"), f"Fall {start}", "semester", date(start, 8, 17),
                date(start + 1, 1, 16), year, start + 1),
        Session(identifier(seed, "session", f"{start}-spring"), f"Spring {start + 1}", "semester",
                date(start + 1, 1, 19), date(start + 1, 6, 12), year, start + 1),
    ]  # fmt: skip


def _places(district: District, students: int) -> list[tuple[School, str]]:
    """Return one (school, grade) for each student, in an order that scatters brothers and sisters over the schools."""
    places: list[tuple[School, str]] = []
    share = 0.0
    for school in district.schools:
        for grade in school.grades:
            # Rounding the running total, and not each grade, makes the sum come out right.
            share += school.share / len(school.grades)
            places += [(school, grade)] * (round(share * students) - len(places))
    stream(district.seed, "places").shuffle(places)
    return places


def _add_staff(district: District, book: ContactBook) -> None:
    plan = data("staff")
    rng = stream(district.seed, "staff")
    rows = [(one, district.sourced_id) for one in plan["district"]]
    rows += [(one, district.school(key).sourced_id) for key, people in plan["schools"].items() for one in people]
    for number, (one, org) in enumerate(rows):
        person = Person(
            sourced_id=identifier(district.seed, "staff", one["username"]), role=one["role"], profile=one["profile"],
            given=one["given"], family=one["family"], username=one["username"], title=one["title"],
            number=f"A{1001 + number}", school_ids=[org],
        )  # fmt: skip
        give_staff_contacts(person, book, rng)
        district.staff.append(person)


def _name_demonstration_accounts(district: District) -> None:
    """Give a student, their teacher and their parent user names that one can remember."""
    names = data("staff")["demonstration_usernames"]
    home = district.school(data("staff")["demonstration_school"]).sourced_id
    guardians = {one.sourced_id: one for one in district.guardians}
    pairs = [(child, guardians[child.agents[0].sourced_id]) for child in district.students]
    pairs = [(child, parent) for child, parent in pairs if child.school_ids == [home] and _is_reachable(parent)]
    # A parent of several children shows more than a parent of one.
    student, parent = max(pairs[:200], key=lambda pair: len(pair[1].agents))
    section = next(one for one in district.sections if student.sourced_id in one.student_ids)
    teacher = next(one for one in district.teachers if one.sourced_id == section.teacher_id)
    for person, role in ((student, "student"), (parent, "parent"), (teacher, "teacher")):
        person.username = names[role]


def _is_reachable(parent: Person) -> bool:
    return parent.has_account and "@example." in parent.email and "+" not in parent.email and "555" in parent.mobile
