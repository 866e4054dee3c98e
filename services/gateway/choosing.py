"""Certain people whom a message is for, chosen by name: they themselves, or the families of students."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.gateway import to_staff
from services.gateway.access import Permission, Person
from services.gateway.pages import visible_schools, working_school
from services.gateway.state import gateway
from services.gateway.to_staff import valid
from services.kit.rpc_errors import translated

MOST = 500
"""People and families whom one message of staff may name."""
OFFERED_AT_ONCE = 50
_LOOKED_UP_AT_ONCE = 500
ALL: Final = "all"
ROLES: Final["dict[str, tuple[types.Role.ValueType, ...]]"] = {
    "staff": (types.ROLE_TEACHER, types.ROLE_ADMIN),
    "family": (types.ROLE_PARENT,),
    "student": (types.ROLE_STUDENT,),
    ALL: (),
}
"""Whom a search may be limited to, by the word of its `role`."""


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


class Choices(NamedTuple):
    """The boxes of the composer."""

    chosen: list[Choice]
    others: list[Choice]
    is_cut: bool
    """Whether more fit than were looked up."""


def choices(someone: Person, query: str, person_ids: Sequence[str], student_ids: Sequence[str]) -> Choices:
    """Return the boxes that are ticked, and others of people whom a name fits, without the writer.

    Students and parents are shown members of staff even before they typed a name; staff are shown nobody then.
    """
    is_to_all = writes_to_all(someone)
    found = search(someone, query, ALL) if query.strip() or not is_to_all else []
    if is_to_all:
        named, people, families = _by_id([*person_ids, *student_ids]), valid(person_ids), valid(student_ids)
        chosen = [Choice(named.get(each) or _unseen(each), is_family=True) for each in families]
        chosen += [Choice(named.get(each) or _unseen(each)) for each in people]
    else:
        chosen = [Choice(each) for each in to_staff.among(person_ids[:MOST])]
    boxes = _boxes(found) if is_to_all else map(Choice, found)
    return Choices(chosen, _others(someone, boxes, chosen), len(found) >= OFFERED_AT_ONCE)


def _unseen(person_id: str) -> directory.Person:
    # Somebody who moved out of sight stays ticked: nobody leaves a series because its editor does not see them.
    return directory.Person(person_id=person_id, name="somebody whom you do not see", is_active=True)


def _others(someone: Person, found: Iterable[Choice], chosen: Sequence[Choice]) -> list[Choice]:
    left_out = {each.key for each in chosen} | {(someone.person_id, False)}
    return [each for each in found if each.key not in left_out]


def _boxes(found: Sequence[directory.Person]) -> Iterator[Choice]:
    for each in found:
        if each.role == types.ROLE_STUDENT:
            yield Choice(each, is_family=True)
        yield Choice(each)


def search(someone: Person, query: str, role: str) -> list[directory.Person]:
    """Return active people whom a person may write to from where they work, by name or number; at most OFFERED_AT_ONCE.

    `role` is one of ROLES; whoever writes to staff alone finds staff alone.
    """
    wanted = directory.SearchPeopleRequest(query=query.strip()[:100], limit=OFFERED_AT_ONCE)
    wanted.roles.extend(ROLES[role if writes_to_all(someone) else "staff"])
    if reached := _reached_schools(someone):
        wanted.school_ids.extend(reached)
    elif reached is not None:
        return []
    with translated():
        answer = gateway().clients.directory.SearchPeople(wanted)
    return [each for each in answer.people if each.is_active]


def _reached_schools(someone: Person) -> list[str] | None:
    """Return the schools to whose people they may write (statements 225 to 227); None without excluded schools."""
    seen, working = visible_schools(someone), working_school(someone)
    if working and working.is_excluded:
        return [working.school_id]
    if not any(each.is_excluded for each in seen):
        return None
    return [each.school_id for each in seen if not each.is_excluded]


def _by_id(ids: Sequence[str]) -> dict[str, directory.Person]:
    asked = valid(ids)
    found: dict[str, directory.Person] = {}
    for start in range(0, len(asked), _LOOKED_UP_AT_ONCE):
        with translated():
            wanted = directory.BatchGetPeopleRequest(person_ids=asked[start : start + _LOOKED_UP_AT_ONCE])
            found |= {each.person_id: each for each in gateway().clients.directory.BatchGetPeople(wanted).people}
    return found


def summary(person_ids: Sequence[str], student_ids: Sequence[str]) -> str:
    """Return who is named, in words: "Rosa Diaz, family of Mia Diaz and 3 more"; without a name how many they are."""
    first = [*((each.lower(), "family of ") for each in student_ids), *((each.lower(), "") for each in person_ids)]
    named = _by_id([each for each, _ in first[:3]])
    said = [words + named[each].name for each, words in first[:3] if each in named]
    more = len(first) - len(said)
    if not said:
        return "1 person or family" if more == 1 else f"{more:,} people and families"
    text = ", ".join(said) + (f" and {more:,} more" if more else "")
    return text[:1].upper() + text[1:200]
