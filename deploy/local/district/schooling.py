"""The school year, the courses, the classes and the teachers who give them."""

import random
from math import ceil

from deploy.local.district.contacts import ContactBook, fold
from deploy.local.district.model import Course, District, Person, School, Section
from deploy.local.district.source import data, identifier, pick_weighted, stream


class Schooling:
    """Gives every student their classes and every class a teacher."""

    def __init__(self, district: District, book: ContactBook) -> None:
        self._district = district
        self._book = book
        self._rng = stream(district.seed, "schooling")
        self._plan = data("district")
        self._courses: dict[tuple[str, str], Course] = {}

    def fill(self) -> None:
        """Add courses, classes and teachers for the students that the district has."""
        for school in self._district.schools:
            for grade in school.grades:
                students = self._students_of(school, grade)
                if "KG" in school.grades:
                    self._add_homerooms(school, grade, students)
                else:
                    self._add_subjects(school, grade, students)
        self._staff_subjects()

    def _students_of(self, school: School, grade: str) -> list[Person]:
        return [one for one in self._district.students if one.grade == grade and one.school_ids[0] == school.sourced_id]

    def _course(self, title: str, subject: dict[str, str], grade: str) -> Course:
        key = (subject["key"], grade)
        if key not in self._courses:
            course = Course(identifier(self._district.seed, "course", f"{subject['key']}{grade}"), title,
                            f"{subject['key']}-{grade}", grade, subject["title"], subject["code"])  # fmt: skip
            self._courses[key] = course
            self._district.courses.append(course)
        return self._courses[key]

    def _add_homerooms(self, school: School, grade: str, students: list[Person]) -> None:
        words = "Kindergarten" if grade == "KG" else f"Grade {int(grade)}"
        course = self._course(words, {"key": "HOM", "title": "Elementary", "code": "23001"}, grade)
        for section in self._sections(school, course, "homeroom", words, students):
            title = data("staff")["teacher_titles"]["homeroom"].format(grade=grade.lstrip("0"))
            section.teacher_id = self._new_teacher([school], title).sourced_id

    def _add_subjects(self, school: School, grade: str, students: list[Person]) -> None:
        for period, subject in enumerate(self._plan["subjects"], start=1):
            course = self._course(f"{subject['title']} {int(grade)}", subject, grade)
            mixed = self._rng.sample(students, len(students))
            for section in self._sections(school, course, "scheduled", course.title, mixed):
                section.period = str(period)

    def _sections(self, school: School, course: Course, kind: str, title: str, students: list[Person]) -> list[Section]:
        count = ceil(len(students) / self._plan["section_size"][kind])
        made = []
        for index in range(count):
            code = f"{course.code}-{school.identifier}-{index + 1}"
            section = Section(
                sourced_id=identifier(self._district.seed, "class", code), title=f"{title}, section {index + 1}",
                code=code, kind=kind, grade=course.grade, course_id=course.sourced_id, school_id=school.sourced_id,
                location=f"Room {100 + len(self._district.sections) % 60}", period="1", subject=course.subject,
                subject_code=course.subject_code, teacher_id="",
                student_ids=[student.sourced_id for student in students[index::count]],
            )  # fmt: skip
            made.append(section)
            self._district.sections.append(section)
        return made

    def _staff_subjects(self) -> None:
        for school in self._district.schools:
            for subject in self._plan["subjects"]:
                waiting = [
                    one for one in self._district.sections
                    if one.school_id == school.sourced_id and one.subject == subject["title"] and not one.teacher_id
                ]  # fmt: skip
                self._share_out(school, subject, waiting)

    def _share_out(self, school: School, subject: dict[str, str], waiting: list[Section]) -> None:
        title = data("staff")["teacher_titles"]["scheduled"].format(subject=subject["title"])
        load = self._plan["sections_per_teacher"]
        for start in range(0, len(waiting), load):
            teacher = self._teacher_for(school, subject["key"], title, is_first=start == 0)
            for section in waiting[start : start + load]:
                section.teacher_id = teacher.sourced_id

    def _teacher_for(self, school: School, subject: str, title: str, *, is_first: bool) -> Person:
        """Return a new teacher, or the one who works in two schools when it is the second school's turn."""
        shared = data("staff")["itinerant"]
        if subject == shared["subject"] and is_first and school.key in shared["schools"]:
            first, second = (self._district.school(key) for key in shared["schools"])
            if school is second:
                return next(one for one in self._district.teachers if second.sourced_id in one.school_ids)
            return self._new_teacher([first, second], title)
        return self._new_teacher([school], title)

    def _new_teacher(self, schools: list[School], title: str) -> Person:
        cultures = {culture["key"]: culture for culture in data("names")["cultures"]}
        culture = cultures[pick_weighted(self._rng, {key: one["share"] for key, one in cultures.items()})]
        number = len(self._district.teachers)
        given, family = self._rng.choice(culture["adults"]), self._rng.choice(culture["families"])
        teacher = Person(
            sourced_id=identifier(self._district.seed, "teacher", number), role="teacher", profile="Teacher",
            given=given, family=family, number=f"T{3001 + number}", title=title,
            username=self._book.new_local(f"{fold(given)[:1]}", family),
            school_ids=[school.sourced_id for school in schools],
        )  # fmt: skip
        give_staff_contacts(teacher, self._book, self._rng)
        self._district.teachers.append(teacher)
        return teacher


def give_staff_contacts(person: Person, book: ContactBook, rng: random.Random) -> None:
    """Give a member of staff an address of the district and, often, a mobile number and a device."""
    rates = data("contacts")["staff"]
    person.email = f"{person.username}@{data('district')['staff_domain']}"
    if rng.random() < rates["mobile_present"]:
        person.mobile = book.new_number(is_reliable=True)
    if rng.random() < rates["device_present"]:
        person.devices.append(book.new_device())
