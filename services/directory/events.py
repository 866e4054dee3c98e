"""What directory tells the others: the state after a change, with its version."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from protos.directory.v1 import directory_pb2 as pb
from protos.events.v1 import directory_pb2 as events
from services.kit.outbox import add_events

SCHOOL_CHANGED = "directory.school.changed.v1"
PERSON_CHANGED = "directory.person.changed.v1"
PROFILE_CHANGED = "directory.profile.changed.v1"
_PEOPLE_PER_EVENT = 500


async def tell_schools(connection: AsyncConnection, schools: Iterable[pb.School]) -> None:
    """Tell that schools changed, one event each."""
    await add_events(connection, [(SCHOOL_CHANGED, events.SchoolChanged(school=school)) for school in schools])


async def tell_people(connection: AsyncConnection, people: Sequence[pb.Person]) -> None:
    """Tell that people changed, up to 500 an event."""
    chunks = [people[start : start + _PEOPLE_PER_EVENT] for start in range(0, len(people), _PEOPLE_PER_EVENT)]
    await add_events(connection, [(PERSON_CHANGED, events.PeopleChanged(people=chunk)) for chunk in chunks])


@dataclass(frozen=True)
class Change:
    """Who changed a profile's permissions, when, and what became of them."""

    by_id: str
    by_name: str
    at: datetime
    before: Sequence[str]


async def tell_profile(connection: AsyncConnection, profile: pb.Profile, change: Change) -> None:
    """Tell that a profile changed, and who changed what: the audit log is reports' (statement 309)."""
    event = events.ProfileChanged(
        profile=profile,
        changed_by_id=change.by_id,
        changed_by_name=change.by_name,
        added=sorted(set(profile.permissions) - set(change.before)),
        removed=sorted(set(change.before) - set(profile.permissions)),
    )
    event.changed_at.FromDatetime(change.at)
    await add_events(connection, [(PROFILE_CHANGED, event)])
