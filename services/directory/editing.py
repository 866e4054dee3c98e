"""Edits of schools, profiles and modules: each is checked, stored, and told to the others."""

from datetime import time
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from services.directory import events, messages
from services.directory.domain import MODULES, Permission, Role, check_permissions
from services.directory.store import people, settings
from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import Aborted, FailedPrecondition, NotFound


async def set_quiet_hours(
    engine: AsyncEngine, clock: Clock, caller: Caller, school_id: str, hours: tuple[time, time] | None
) -> pb.School:
    """Set a school's quiet hours and tell the others. NotFound when there is no such school in the caller's sight."""
    async with transaction(engine) as connection:
        is_seen = not caller.viewer or caller.viewer.sees_school(school_id)
        if not is_seen or not await settings.set_quiet_hours(connection, school_id, hours):
            raise NotFound("SCHOOL_UNKNOWN", "There is no such school.")
        row = await people.school(connection, school_id)
        if hours and row["time_zone"] not in available_timezones():
            detail = [("/quiet_from", f"{row['time_zone']} is no time zone: correct the roster's metadata.timeZone.")]
            raise FailedPrecondition("TIME_ZONE_UNKNOWN", "The school's time zone is not known.", violations=detail)
        school = messages.school_message(row)
        await events.tell_schools(connection, [school])
        words = f"from={school.quiet_from} until={school.quiet_until}" if hours else "none"
        by = events.changer(caller, clock())
        await events.tell_setting(connection, by, "quiet_hours.changed", f"school={school.title} {words}")
    return school


async def _check_somebody_manages(connection: AsyncConnection, profile_id: str) -> None:
    if not await people.somebody_holds(connection, Permission.MANAGE_PROFILES, besides=profile_id):
        text = "Nobody else can edit profiles: let another profile's holders do so first."
        raise FailedPrecondition("LAST_PROFILE_MANAGER", text)


async def update_profile(
    engine: AsyncEngine, clock: Clock, caller: Caller, request: pb.UpdateProfileRequest
) -> pb.Profile:
    """Replace a profile's permissions and tell the others who changed what.

    NotFound, Aborted when the editor saw another version, FailedPrecondition when nobody could edit profiles any more,
    and the errors of check_permissions.
    """
    async with transaction(engine) as connection:
        row = await settings.profile_for_update(connection, request.profile_id)
        if row is None:
            raise NotFound("PROFILE_UNKNOWN", "There is no such profile.")
        if row["version"] != request.version:
            raise Aborted("PROFILE_CHANGED", "Somebody else changed this profile meanwhile. Read it again.")
        wanted = check_permissions(Role(row["role"]), list(request.permissions))
        if Permission.MANAGE_PROFILES in set(row["permissions"]) - set(wanted):
            await _check_somebody_manages(connection, request.profile_id)
        profile = messages.profile_message(await settings.set_permissions(connection, request.profile_id, wanted))
        await events.tell_profile(connection, profile, row["permissions"], events.changer(caller, clock()))
    return profile


async def update_module(engine: AsyncEngine, clock: Clock, caller: Caller, module: pb.Module) -> pb.Module:
    """Set a module's switches and tell who did. NotFound for a name that is not in MODULES."""
    async with transaction(engine) as connection:
        row = await settings.set_module(connection, module.name, module.is_purchased, module.is_enabled)
        if row is None:
            raise NotFound("MODULE_UNKNOWN", f"There is no such module; there are {', '.join(MODULES)}.")
        switches = {"purchased": module.is_purchased, "enabled": module.is_enabled}
        words = " ".join(f"{name}={'yes' if is_on else 'no'}" for name, is_on in switches.items())
        by = events.changer(caller, clock())
        await events.tell_setting(connection, by, "module.changed", f"module={module.name} {words}")
    return messages.module_message(row)
