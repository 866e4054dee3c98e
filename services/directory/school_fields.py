"""Fields of schools: which a district enables, who sees and edits them, and their values (section R).

The system field, Exclude from Communication, is disabled and nobody's on a new installation (statement 224). While it
is disabled no school counts as excluded, whatever a roster or an earlier tick says; enabled again, ticks hold again.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from services.directory import events, messages
from services.directory.domain import EXCLUDED, Role
from services.directory.store import fields, people, settings
from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied


async def update_field(engine: AsyncEngine, clock: Clock, caller: Caller, wanted: pb.SchoolField) -> pb.SchoolField:
    """Enable, place and permit a field; tell the schools that count as excluded since, or no longer.

    NotFound for a name that is no field, Aborted when the editor saw another version, InvalidArgument for profiles
    that cannot be given it.
    """
    async with transaction(engine) as connection:
        row = await fields.for_update(connection, wanted.name)
        if row is None:
            raise NotFound("FIELD_UNKNOWN", "Schools have no such field.")
        if row["version"] != wanted.version:
            raise Aborted("FIELD_CHANGED", "Somebody else changed this field meanwhile. Read it again.")
        await _check_profiles(connection, wanted.viewers, wanted.editors)
        before = messages.field_message(row)
        after = messages.field_message(await fields.change(connection, wanted.name, messages.field_row(wanted)))
        if before.is_enabled != after.is_enabled:
            ticked = await fields.touch_ticked(connection)
            schools = [each for each in await people.all_schools(connection) if each["school_id"] in ticked]
            await events.tell_schools(connection, [messages.school_message(each) for each in schools])
        by = events.changer(caller, clock())
        await events.tell_setting(connection, by, "school_field.changed", await _in_words(connection, after))
    return after


async def _check_profiles(connection: AsyncConnection, viewers: Sequence[str], editors: Sequence[str]) -> None:
    known = {each["profile_id"] for each in await settings.all_profiles(connection) if each["role"] == Role.ADMIN}
    wrong = [(f"/field/{name}", "Choose profiles of administrators.")
             for name, given in (("viewers", viewers), ("editors", editors)) if not set(given) <= known]  # fmt: skip
    if not set(editors) <= set(viewers):
        wrong.append(("/field/editors", "Who edits a field also sees it."))
    if wrong:
        raise InvalidArgument("FIELD_INVALID", "These permissions cannot be given.", violations=wrong)


async def _in_words(connection: AsyncConnection, field: pb.SchoolField) -> str:
    names = {each["profile_id"]: each["name"] for each in await settings.all_profiles(connection)}
    switches = {"enabled": field.is_enabled, "on_school_info": field.is_on_school_info}
    parts = [f"field={field.name}", *(f"{name}={'yes' if is_on else 'no'}" for name, is_on in switches.items())]
    for name, given in (("viewers", field.viewers), ("editors", field.editors)):
        parts.append(f"{name}={', '.join(names.get(each, each) for each in given) or 'none'}")
    return " ".join(parts)


async def exclude(engine: AsyncEngine, clock: Clock, caller: Caller, school_id: str, is_excluded: bool) -> pb.School:
    """Tick or untick the system field of a school and tell the others.

    NotFound for a school out of the caller's sight, FailedPrecondition while the field is disabled or not on School
    Info, PermissionDenied for a person whose profile does not edit it.
    """
    async with transaction(engine) as connection:
        field = await fields.for_update(connection, EXCLUDED)
        if field is None or not (field["is_enabled"] and field["is_on_school_info"]):
            text = "Enable the field in School Fields and add it to School Info first."
            raise FailedPrecondition("FIELD_DISABLED", text)
        if caller.viewer and await people.profile_of(connection, caller.viewer.person_id) not in field["editors"]:
            raise PermissionDenied("FIELD_NOT_YOURS", "Your profile does not edit this field.")
        is_seen = not caller.viewer or caller.viewer.sees_school(school_id)
        if not is_seen or not await settings.set_excluded(connection, school_id, is_excluded):
            raise NotFound("SCHOOL_UNKNOWN", "There is no such school.")
        school = messages.school_message(await people.school(connection, school_id))
        await events.tell_schools(connection, [school])
        detail = f"school={school.title} excluded={'yes' if is_excluded else 'no'}"
        await events.tell_setting(connection, events.changer(caller, clock()), "school.changed", detail)
    return school


async def offered(engine: AsyncEngine, caller: Caller) -> list[pb.SchoolField]:
    """Return the fields, with what the caller may do with each."""
    viewer = caller.viewer
    async with transaction(engine) as connection:
        rows = await fields.every(connection)
        profile = await people.profile_of(connection, viewer.person_id) if viewer else ""
    found = [messages.field_message(row) for row in rows]
    for each in found:
        each.is_shown = each.is_enabled and each.is_on_school_info and (not viewer or profile in each.viewers)
        each.is_editable = each.is_shown and (not viewer or profile in each.editors)
    return found
