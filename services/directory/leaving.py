"""Who leaves by an import, or is out of reach by it, and when the caller has to stand for it.

A set that was cut on its way looks like one by which the others left: they could not sign in any more, no message and
no alert would reach them, and nobody might be left to repair it. A set that lost a column looks as if nobody had what
stood in it: all stay, and no message reaches them either.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.directory.domain import Role
from services.directory.roster import Roster
from services.kit.errors import FailedPrecondition

# Fewer than leave at the end of a school year, more than in any night before it.
_ORDINARY_PEOPLE = 10
_ORDINARY_SHARE = 0.1
_TITLES_SHOWN = 5
_HELD = {
    "email": ("/users.csv/email", "an e-mail address"),
    "mobile": ("/users.csv/sms", "a mobile number"),
    "landline": ("/users.csv/phone", "a landline"),
    "device": ("/users.csv/metadata.devices", "a device"),
    "guardian": ("/users.csv/agentSourcedIds", "a guardian"),
    "child": ("/users.csv/agentSourcedIds", "a child"),
    "class": ("/enrollments.csv", "a class"),
}
"""What a message reaches somebody by: where it stands in a roster, and what it is called."""

Reach = Mapping[tuple[str, str], int]
"""How many people of a role have what stands in _HELD."""


@dataclass(frozen=True)
class Active:
    """What is active before an import, by sourced id: the titles of schools, the roles of people."""

    schools: Mapping[str, str]
    people: Mapping[str, str]


def check_leavers(before: Active, read: Roster) -> None:
    """Refuse a roster by which a school closes, or more than ten people and a tenth of those of a role leave."""
    schools, people = read.staying_schools(), read.staying_people()
    closing = sorted(title for each, title in before.schools.items() if each not in schools)
    known = Counter(before.people.values())
    gone = Counter(role for each, role in before.people.items() if each not in people)
    if closing or any(_are_many(gone[role], known[role]) for role in gone):
        raise _refusal([*_closing(closing, len(before.schools)), *_leaving(gone, known)])


def _are_many(gone: int, known: int) -> bool:
    return gone > max(_ORDINARY_PEOPLE, known * _ORDINARY_SHARE)


def _closing(titles: Sequence[str], known: int) -> Iterator[tuple[str, str]]:
    if titles:
        named = ", ".join([*titles[:_TITLES_SHOWN], *["…"] * (len(titles) > _TITLES_SHOWN)])
        yield "/orgs.csv", f"{len(titles)} of {known} schools would close: {named}."


def _leaving(gone: Mapping[str, int], known: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for role in Role:
        if gone[role]:
            yield "/users.csv", f"{gone[role]:,} of {known[role]:,} {role}s would leave."


def check_reach(before: Reach, after: Reach) -> None:
    """Refuse a roster by which more than ten people and a tenth of those who have something lose it, and stay."""
    told = []
    for (role, what), known in sorted(before.items()):
        left = after.get((role, what), 0)
        if _are_many(known - left, known):
            pointer, words = _HELD[what]
            told.append((pointer, f"Of {known:,} {role}s with {words}, {left:,} would still have one."))
    if told:
        raise _refusal(told)


def check_managers(*, is_somebody_left: bool) -> None:
    """Refuse a roster after which nobody could sign in who edits profiles."""
    if not is_somebody_left:
        raise _refusal([("/users.csv", "Nobody who edits profiles could sign in any more.")])


def _refusal(told: list[tuple[str, str]]) -> FailedPrecondition:
    words = " ".join(detail for _, detail in told)
    text = f"{words} Nothing was changed. If this is so, send the roster again with accepts_leavers."
    return FailedPrecondition("ROSTER_LEAVERS", text, violations=told)
