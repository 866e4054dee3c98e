"""Today's messages, to be sent through the whole pipeline when the system starts for the first time."""

from typing import Any

from deploy.local.district.model import District, Person
from deploy.local.district.source import data


def todays_messages(district: District) -> list[dict[str, Any]]:
    """Return the messages of data/today.json with sourced ids in place of keys, in the order to send them."""
    return [_resolve(district, one) for one in data("today")]


def _resolve(district: District, message: dict[str, Any]) -> dict[str, Any]:
    cast = Cast(district)
    sender = cast.person(message["sender"])
    return {
        **message,
        "sender": {"sourced_id": sender.sourced_id, "username": sender.username, "profile": sender.profile},
        "audience": cast.audience(message["audience"]),
    }


class Cast:
    """Finds the people, schools and classes that data/today.json names by a key such as `teacher:cedar-ridge:2`."""

    def __init__(self, district: District) -> None:
        self._district = district

    def person(self, key: str) -> Person:
        """Return a person by user name, or the n-th teacher or student with an account of a school."""
        kind, _, rest = key.partition(":")
        if not rest:
            return {one.username: one for one in self._district.people}[key]
        school_key, _, index = rest.partition(":")
        school = self._district.school(school_key).sourced_id
        group = self._district.teachers if kind == "teacher" else self._district.students
        found = [one for one in group if one.school_ids[0] == school and one.has_account]
        return found[int(index) % len(found)]

    def audience(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Return an audience with sourced ids, in the fields of directory's Audience."""
        schools = [self._district.school(key).sourced_id for key in plan.get("schools", [])]
        people = [self.person(key).sourced_id for key in plan.get("people", [])]
        guardians_of = [self.person(key).sourced_id for key in plan.get("guardians_of", [])]
        for key in plan.get("guardians_of_class", []):
            guardians_of += self._students_of(self.person(key))
        return {"school_ids": schools, "grades": plan.get("grades", []), "roles": plan.get("roles", []),
                "person_ids": people, "student_ids": guardians_of}  # fmt: skip

    def _students_of(self, teacher: Person) -> list[str]:
        """Return the students of the first class of a teacher."""
        sections = self._district.sections
        return next(one.student_ids for one in sections if one.teacher_id == teacher.sourced_id)
