"""Who leaves by an import, and when the caller has to stand for it.

A set that was cut on its way looks like one by which the others left: they could not sign in any more, no message and
no alert would reach them, and nobody might be left to repair it.
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
    if closing or any(gone[role] > max(_ORDINARY_PEOPLE, known[role] * _ORDINARY_SHARE) for role in gone):
        raise _refusal([*_closing(closing, len(before.schools)), *_leaving(gone, known)])


def _closing(titles: Sequence[str], known: int) -> Iterator[tuple[str, str]]:
    if titles:
        named = ", ".join([*titles[:_TITLES_SHOWN], *["…"] * (len(titles) > _TITLES_SHOWN)])
        yield "/orgs.csv", f"{len(titles)} of {known} schools would close: {named}."


def _leaving(gone: Mapping[str, int], known: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for role in Role:
        if gone[role]:
            yield "/users.csv", f"{gone[role]:,} of {known[role]:,} {role}s would leave."


def check_managers(*, is_somebody_left: bool) -> None:
    """Refuse a roster after which nobody could sign in who edits profiles."""
    if not is_somebody_left:
        raise _refusal([("/users.csv", "Nobody who edits profiles could sign in any more.")])


def _refusal(told: list[tuple[str, str]]) -> FailedPrecondition:
    words = " ".join(detail for _, detail in told)
    text = f"{words} Nothing was changed. If this is so, send the roster again with accepts_leavers."
    return FailedPrecondition("ROSTER_LEAVERS", text, violations=told)
