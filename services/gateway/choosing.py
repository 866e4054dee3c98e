"""Certain people whom a message is for, chosen by name: they themselves, or the families of students."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.gateway import to_staff
from services.gateway.access import Permission, Person
from services.gateway.state import gateway, person
from services.kit.rpc_errors import translated

MOST = 500
"""People and families whom one message of staff may name."""
OFFERED_AT_ONCE = 50


class Choice(NamedTuple):
    """One box to tick: a person, or the family of a student."""

    person: directory.Person
    is_family: bool = False

    @property
    def key(self) -> tuple[str, bool]:
        """What tells it from the other boxes."""
        return self.person.person_id, self.is_family


def writes_to_all(someone: Person) -> bool:
    """Tell whether a person may write to families and students, and not to members of staff alone."""
    return someone.is_staff and someone.may(Permission.SEND_MESSAGES)


def choices(query: str, person_ids: Sequence[str], student_ids: Sequence[str]) -> tuple[list[Choice], list[Choice]]:
    """Return the boxes that are ticked, and others of people whom a name fits, without the signed-in person.

    Students and parents are shown members of staff even before they typed a name; staff are shown nobody then.
    """
    if not writes_to_all(person()):
        chosen = [Choice(each) for each in to_staff.among(person_ids[: to_staff.MOST])]
        return chosen, _others(map(Choice, search(query)), chosen)
    named = _by_id([*person_ids, *student_ids])
    chosen = [Choice(named[each], is_family=True) for each in student_ids if each in named]
    chosen += [Choice(named[each]) for each in person_ids if each in named]
    return chosen, _others(_boxes(search(query)), chosen) if query.strip() else []


def _others(found: Iterator[Choice], chosen: Sequence[Choice]) -> list[Choice]:
    left_out = {each.key for each in chosen} | {(person().person_id, False)}
    return [each for each in found if each.key not in left_out]


def _boxes(found: Sequence[directory.Person]) -> Iterator[Choice]:
    for each in found:
        if each.role == types.ROLE_STUDENT:
            yield Choice(each, is_family=True)
        yield Choice(each)


def search(query: str) -> list[directory.Person]:
    """Return active people whom the signed-in person may write to, by name or number; at most OFFERED_AT_ONCE."""
    roles = () if writes_to_all(person()) else (types.ROLE_TEACHER, types.ROLE_ADMIN)
    wanted = directory.SearchPeopleRequest(query=query.strip()[:100], roles=roles, limit=OFFERED_AT_ONCE)
    with translated():
        answer = gateway().clients.directory.SearchPeople(wanted)
    return [each for each in answer.people if each.is_active]


def _by_id(ids: Sequence[str]) -> dict[str, directory.Person]:
    valid = to_staff.valid(ids)[:MOST]
    if not valid:
        return {}
    with translated():
        wanted = directory.BatchGetPeopleRequest(person_ids=valid)
        return {each.person_id: each for each in gateway().clients.directory.BatchGetPeople(wanted).people}


def summary(person_ids: Sequence[str], student_ids: Sequence[str]) -> str:
    """Return who is named, in words: "Rosa Diaz, family of Mia Diaz and 3 more"."""
    first = [*((each, "family of ") for each in student_ids), *((each, "") for each in person_ids)]
    named = _by_id([each for each, _ in first[:3]])
    said = [words + named[each].name for each, words in first[:3] if each in named]
    more = len(first) - len(said)
    text = ", ".join(said) + (f" and {more:,} more" if more else "")
    return text[:1].upper() + text[1:200]
