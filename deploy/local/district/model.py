"""What a district is made of, in the words of OneRoster where it has them."""

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class School:
    """A school; `share` is its part of the district's students, 0 to 1."""

    sourced_id: str
    key: str
    name: str
    short: str
    identifier: str
    grades: tuple[str, ...]
    share: float
    is_excluded: bool


@dataclass(frozen=True)
class Agent:
    """A guardian of a student (or a student of a guardian), and which of the guardians to try first, from 1."""

    sourced_id: str
    priority: int


@dataclass
class Person:
    """A row of users.csv. `role` is OneRoster's word; contacts are as typed in an office, not yet normalised."""

    sourced_id: str
    role: str
    given: str
    family: str
    profile: str
    username: str
    middle: str = ""
    preferred_given: str = ""
    number: str = ""
    title: str = ""
    relationship: str = ""
    grade: str = ""
    language: str = "en"
    email: str = ""
    mobile: str = ""
    landline: str = ""
    has_account: bool = True
    school_ids: list[str] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    consent: dict[str, str] = field(default_factory=dict)
    birth_date: date | None = None

    @property
    def name(self) -> str:
        """Full name, in the order given, middle, family."""
        return " ".join(part for part in (self.given, self.middle, self.family) if part)


@dataclass(frozen=True)
class Course:
    """A course of the district, `school_year_id` being the academic session it runs in."""

    sourced_id: str
    title: str
    code: str
    grade: str
    subject: str
    subject_code: str


@dataclass
class Section:
    """A class: a course taught to some students by one teacher in one room."""

    sourced_id: str
    title: str
    code: str
    kind: str
    grade: str
    course_id: str
    school_id: str
    location: str
    period: str
    subject: str
    subject_code: str
    teacher_id: str
    student_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Session:
    """An academic session; both dates as in academicSessions.csv, the end being exclusive."""

    sourced_id: str
    title: str
    kind: str
    start: date
    end: date
    parent_id: str
    school_year: int


@dataclass
class District:
    """The whole district, in the order in which the files list it."""

    seed: int
    as_of: date
    sourced_id: str
    name: str
    identifier: str
    time_zone: str
    schools: list[School]
    sessions: list[Session] = field(default_factory=list)
    staff: list[Person] = field(default_factory=list)
    teachers: list[Person] = field(default_factory=list)
    students: list[Person] = field(default_factory=list)
    guardians: list[Person] = field(default_factory=list)
    courses: list[Course] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    @property
    def people(self) -> list[Person]:
        """Everybody: staff, teachers, students, guardians."""
        return [*self.staff, *self.teachers, *self.students, *self.guardians]

    def school(self, key: str) -> School:
        """Return the school with this key of data/district.json; KeyError when there is none."""
        return {school.key: school for school in self.schools}[key]
