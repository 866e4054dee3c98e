"""What directory tells the others: the state after a change, with its version."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from protos.directory.v1 import directory_pb2 as pb
from protos.events.v1 import directory_pb2 as events
from protos.events.v1 import settings_pb2 as settings
from services.kit.auth import Caller
from services.kit.outbox import add_events

SCHOOL_CHANGED = "directory.school.changed.v1"
PERSON_CHANGED = "directory.person.changed.v1"
PROFILE_CHANGED = "directory.profile.changed.v1"
PROFILE_ASSIGNED = "directory.profile.assigned.v1"
SETTING_CHANGED = "directory.setting.changed.v1"
_PEOPLE_PER_EVENT = 500


async def tell_schools(connection: AsyncConnection, schools: Iterable[pb.School]) -> None:
    """Tell that schools changed, one event each."""
    await add_events(connection, [(SCHOOL_CHANGED, events.SchoolChanged(school=school)) for school in schools])


async def tell_people(connection: AsyncConnection, people: Sequence[pb.Person]) -> None:
    """Tell that people changed, up to 500 an event."""
    chunks = [people[start : start + _PEOPLE_PER_EVENT] for start in range(0, len(people), _PEOPLE_PER_EVENT)]
    await add_events(connection, [(PERSON_CHANGED, events.PeopleChanged(people=chunk)) for chunk in chunks])


@dataclass(frozen=True)
class Changer:
    """Who changes permissions, and when."""

    person_id: str
    name: str
    at: datetime


def changer(caller: Caller, at: datetime) -> Changer:
    """Return who calls: a person, or the subject of a service's token."""
    return Changer(caller.subject, caller.name, at)


async def tell_setting(connection: AsyncConnection, by: Changer, action: str, detail: str) -> None:
    """Tell that somebody set something: the audit log is reports' (statement 309). No personal data in the detail."""
    event = settings.SettingChanged(
        changed_by_id=by.person_id, changed_by_name=by.name, action=action, detail=detail[:1000]
    )
    event.changed_at.FromDatetime(by.at)
    await add_events(connection, [(SETTING_CHANGED, event)])


async def tell_assigned(
    connection: AsyncConnection, before: Mapping[str, str], after: Mapping[str, str], by: Changer
) -> None:
    """Tell whose profile an import changed, up to 500 people an event; both name profiles by person (statement 309)."""
    moved = [each for each in sorted(before.keys() | after.keys()) if before.get(each) != after.get(each)]
    for start in range(0, len(moved), _PEOPLE_PER_EVENT):
        event = events.ProfilesAssigned(changed_by_id=by.person_id, changed_by_name=by.name)
        event.changed_at.FromDatetime(by.at)
        for each in moved[start : start + _PEOPLE_PER_EVENT]:
            event.assignments.add(person_id=each, before=before.get(each, ""), after=after.get(each, ""))
        await add_events(connection, [(PROFILE_ASSIGNED, event)])


async def tell_profile(connection: AsyncConnection, profile: pb.Profile, before: Sequence[str], by: Changer) -> None:
    """Tell that a profile changed, and who changed what: the audit log is reports' (statement 309)."""
    event = events.ProfileChanged(
        profile=profile,
        changed_by_id=by.person_id,
        changed_by_name=by.name,
        added=sorted(set(profile.permissions) - set(before)),
        removed=sorted(set(before) - set(profile.permissions)),
    )
    event.changed_at.FromDatetime(by.at)
    await add_events(connection, [(PROFILE_CHANGED, event)])
