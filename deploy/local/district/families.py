"""Households: students, their brothers and sisters, and the guardians who answer for them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from deploy.local.district.contacts import ContactBook
from deploy.local.district.model import Agent, District, Person, School
from deploy.local.district.source import data, identifier, pick_weighted, stream

CHILDREN = {"1": 0.52, "2": 0.32, "3": 0.13, "4": 0.03}
# How the office recorded the guardians of brothers and sisters; only "one_record" is the tidy way.
SHARING = {"one_record": 0.67, "exact": 0.11, "same_email": 0.11, "same_phone": 0.11}
PAIRS = {"mother father": 0.58, "mother": 0.20, "father": 0.05, "mother stepfather": 0.06, "mother mother": 0.02,
         "father father": 0.01, "grandmother": 0.05, "mother father grandmother": 0.03}  # fmt: skip
ONEROSTER_ROLES = {"mother": "parent", "father": "parent", "stepfather": "guardian", "grandmother": "relative"}
NOTABLE_EVERY = 23


@dataclass(frozen=True)
class Household:
    """One family: who they are, and how their contacts are recorded."""

    number: int
    culture: dict[str, Any]
    language: str
    family: str
    sharing: str


class Families:
    """Fills a district with households until every place in its schools is taken."""

    def __init__(self, district: District, book: ContactBook) -> None:
        self._district = district
        self._book = book
        self._rng = stream(district.seed, "families")
        self._names = data("names")
        self._rates = data("contacts")
        self._students: dict[str, Person] = {}

    def fill(self, places: list[tuple[School, str]]) -> None:
        """Add a student for each place, and the guardians of each."""
        number = 0
        while places:
            household = self._new_household(number)
            count = min(int(pick_weighted(self._rng, CHILDREN)), len(places))
            children = [self._new_student(household, *places.pop(), is_first=i == 0) for i in range(count)]
            self._add_guardians(household, children)
            number += 1

    def _new_household(self, number: int) -> Household:
        cultures = {culture["key"]: culture for culture in self._names["cultures"]}
        culture = cultures[pick_weighted(self._rng, {key: value["share"] for key, value in cultures.items()})]
        language = pick_weighted(self._rng, culture["languages"])
        return Household(number, culture, language, self._rng.choice(culture["families"]),
                         pick_weighted(self._rng, SHARING))  # fmt: skip

    def _notable(self, kind: str, household: Household, offset: int) -> dict[str, str] | None:
        index, rest = divmod(household.number - offset, NOTABLE_EVERY)
        people: list[dict[str, str]] = self._names[kind]
        return people[index] if rest == 0 and 0 <= index < len(people) else None

    def _new_student(self, household: Household, school: School, grade: str, *, is_first: bool) -> Person:
        number = len(self._district.students)
        notable = self._notable("notable_students", household, 7) if is_first else None
        given = self._rng.choice(household.culture[self._rng.choice(["girls", "boys"])])
        name = notable or {"given": given, "middle": "", "family": household.family, "language": household.language}
        local = self._book.new_local(name["given"], name["family"], name.get("latin", ""))
        student = Person(
            sourced_id=identifier(self._district.seed, "student", number), role="student", profile="Student",
            given=name["given"], middle=name["middle"], family=name["family"], username=f"s{20260001 + number}",
            preferred_given=self._names["nicknames"].get(given, "") if notable is None else "",
            number=str(20260001 + number), grade=grade, language=name["language"], school_ids=[school.sourced_id],
            birth_date=self._birth_date(grade),
        )  # fmt: skip
        self._give_student_contacts(student, local)
        self._district.students.append(student)
        self._students[student.sourced_id] = student
        return student

    def _give_student_contacts(self, student: Person, local: str) -> None:
        rates = self._rates["student"]
        grade = 0 if student.grade == "KG" else int(student.grade)
        student.has_account = grade >= int(rates["account_from_grade"])
        if grade >= int(rates["email_from_grade"]):
            student.email = f"{local}@{data('district')['student_domain']}"
        if grade >= int(rates["mobile_from_grade"]) and self._rng.random() < rates["mobile_present"]:
            student.mobile = self._book.as_typed(self._book.new_number())
        if student.has_account and self._rng.random() < rates["device_present"]:
            student.devices.append(self._book.new_device())

    def _birth_date(self, grade: str) -> date:
        # A child enters kindergarten at five, by the first of September.
        years = 5 + (0 if grade == "KG" else int(grade))
        start = self._district.sessions[0].start.year
        return date(start - years, 9, 1) - timedelta(days=1 + self._rng.randrange(365))

    def _add_guardians(self, household: Household, children: list[Person]) -> None:
        relations = pick_weighted(self._rng, PAIRS).split()
        for priority, relation in enumerate(relations, start=1):
            first = self._new_guardian(household, relation, priority)
            for child, record in zip(children, self._records(household, first, len(children)), strict=True):
                self._relate(child, record, Agent(record.sourced_id, priority))

    def _records(self, household: Household, first: Person, count: int) -> Iterator[Person]:
        """Yield the record that each child points to: one for all, or a copy for each, as the office keeps them."""
        yield first
        for _ in range(count - 1):
            yield first if household.sharing == "one_record" else self._copy(household.sharing, first)

    def _copy(self, sharing: str, first: Person) -> Person:
        local = self._book.new_local("", "", first.username)
        copy = replace(first, sourced_id=self._guardian_id(), username=local, school_ids=[], agents=[], devices=[])
        copy.consent = dict(first.consent)
        if sharing == "same_email":
            copy.mobile = self._book.as_typed(self._book.new_number())
        elif sharing == "same_phone":
            copy.email = self._book.new_email(local)
        else:
            # Exactly the same contact, typed by somebody else: only normalising shows it.
            copy.email = first.email.upper() if first.email.count("@") == 1 else first.email
        self._district.guardians.append(copy)
        return copy

    def _guardian_id(self) -> str:
        return identifier(self._district.seed, "guardian", len(self._district.guardians))

    def _new_guardian(self, household: Household, relation: str, priority: int) -> Person:
        notable = self._notable("notable_guardians", household, 7) if priority == 1 else None
        given = self._rng.choice(household.culture["adults"])
        family = household.family if self._rng.random() < 0.8 else self._rng.choice(household.culture["families"])
        name = notable or {"given": given, "middle": "", "family": family, "language": household.language}
        local = self._book.new_local(name["given"], name["family"], name.get("latin", ""))
        guardian = Person(
            sourced_id=self._guardian_id(), role=ONEROSTER_ROLES[relation], profile="Parent", username=local,
            given=name["given"], middle=name["middle"], family=name["family"], language=name["language"],
            has_account=self._rng.random() < self._rates["guardian"]["account"], relationship=relation,
            consent=self._book.new_consent(),
        )  # fmt: skip
        self._give_guardian_contacts(guardian, local)
        self._district.guardians.append(guardian)
        return guardian

    def _give_guardian_contacts(self, guardian: Person, local: str) -> None:
        rates = self._rates["guardian"]
        draw = self._rng.random()
        if draw >= rates["email_missing"]:
            is_invalid = draw < rates["email_missing"] + rates["email_invalid"]
            guardian.email = self._book.unusable_email(local) if is_invalid else self._book.new_email(local)
        guardian.mobile = self._number(self._rng, rates["mobile_missing"], rates["mobile_invalid"])
        guardian.landline = self._number(self._rng, 1 - rates["landline_present"], rates["landline_invalid"])
        if guardian.has_account and self._rng.random() < rates["device_present"]:
            guardian.devices.append(self._book.new_device())

    def _number(self, rng: random.Random, missing: float, invalid: float) -> str:
        draw = rng.random()
        if draw < missing:
            return ""
        if draw < missing + invalid:
            return self._book.unusable_number()
        return self._book.as_typed(self._book.new_number())

    def _relate(self, child: Person, guardian: Person, agent: Agent) -> None:
        child.agents.append(agent)
        guardian.agents.append(Agent(child.sourced_id, agent.priority))
        if child.school_ids[0] not in guardian.school_ids:
            guardian.school_ids.append(child.school_ids[0])
