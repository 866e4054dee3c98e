"""Who is in which school, class and family: the questions that past traffic asks of a district."""

from collections.abc import Iterable
from itertools import groupby

from deploy.local.district.history.drafts import Target
from deploy.local.district.model import District, Person, School, Section


class Roll:
    """Answers from indexes that are built once."""

    def __init__(self, district: District) -> None:
        self.district = district
        self.schools = {school.sourced_id: school for school in district.schools}
        self.people = {person.sourced_id: person for person in district.people}
        self.students: dict[str, list[Person]] = {school.sourced_id: [] for school in district.schools}
        for student in district.students:
            self.students[student.school_ids[0]].append(student)
        by_teacher = sorted(district.sections, key=lambda section: section.teacher_id)
        self._sections = {key: list(group) for key, group in groupby(by_teacher, lambda section: section.teacher_id)}
        self._teachers: dict[str, list[Person]] = {}
        for section in district.sections:
            for student_id in section.student_ids:
                self._teachers.setdefault(student_id, []).append(self.people[section.teacher_id])

    def school_of(self, person: Person) -> School | None:
        """Return the school that a person works or learns in first; None for the district office."""
        return self.schools.get(person.school_ids[0])

    def staff_of(self, school: School, profile: str) -> Person:
        """Return the first member of a school's staff with a profile."""
        return next(
            one for one in self.district.staff if one.profile == profile and school.sourced_id in one.school_ids
        )

    def sections_of(self, teacher: Person) -> list[Section]:
        """Return the classes of a teacher; every teacher has one."""
        return self._sections[teacher.sourced_id]

    def teachers_of(self, student: Person) -> list[Person]:
        """Return the teachers of a student's classes; every student has one."""
        return self._teachers[student.sourced_id]

    def guardians_of(self, students: Iterable[Person]) -> list[Target]:
        """Return the guardians of students, by student and then by whom to try first."""
        return [
            Target(self.people[agent.sourced_id], student.school_ids[0], student)
            for student in students
            for agent in student.agents
        ]
