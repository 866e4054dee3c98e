"""A roster that was read: checked rows, and every refused row by file and line."""

from dataclasses import dataclass, field

from services.directory.contacts import Contact
from services.directory.domain import Role


@dataclass(frozen=True)
class Problem:
    """A refused row."""

    file_name: str
    line: int
    column: str
    detail: str


@dataclass
class PersonRow:
    """A user with everything that hangs on them."""

    sourced_id: str
    name: str
    role: Role
    profile: str
    number: str
    grade: str
    language: str
    title: str
    relationship: str
    has_account: bool
    is_active: bool
    schools: list[str]
    contacts: list[Contact]
    agents: list[str]
    line: int
    profile_id: str = ""
    """The profile's id here, once it is known."""
    refused_agents: list[str] = field(default_factory=list)
    """Guardians whom the row names and whose own row is refused."""


@dataclass
class Roster:
    """A whole set, checked. Ids are OneRoster's sourcedIds."""

    schools: dict[str, dict[str, object]] = field(default_factory=dict)
    people: dict[str, PersonRow] = field(default_factory=dict)
    classes: dict[str, tuple[str, str]] = field(default_factory=dict)
    enrollments: dict[tuple[str, str], str] = field(default_factory=dict)
    """The role of each person of each class."""
    problems: list[Problem] = field(default_factory=list)
    refused_schools: set[str] = field(default_factory=set)
    refused_people: set[str] = field(default_factory=set)
    """Whose row is refused, and who therefore are to stay what they were: a broken row is no word that they left."""

    def refuse(self, file_name: str, line: int, column: str, detail: str) -> None:
        """Leave a row out and say why."""
        self.problems.append(Problem(file_name, line, column, detail))

    def knows_school(self, sourced_id: str) -> bool:
        """Tell whether people and classes can be of a school."""
        return sourced_id in self.schools or sourced_id in self.refused_schools

    def staying_schools(self) -> set[str]:
        """Return the schools that do not close by this roster."""
        return self.refused_schools.union(each for each, row in self.schools.items() if row["is_active"])

    def staying_people(self) -> set[str]:
        """Return the people who do not leave by this roster."""
        return self.refused_people.union(each for each, row in self.people.items() if row.is_active)
