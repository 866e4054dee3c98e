"""DirectoryService: proto to action to proto. Checks the form of each request; actions check the rest."""

import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from protos.directory.v1 import directory_pb2_grpc
from services.directory import actions, editing, importing, messages, school_fields, uploading
from services.directory.domain import AudienceQuery, Role
from services.directory.events import changer
from services.directory.store import people, settings
from services.kit.auth import current_caller
from services.kit.clock import Clock, utc_now
from services.kit.columns import columns_of
from services.kit.db import transaction
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.kit.ids import check_id
from services.kit.logs import get_logger

_log = get_logger(__name__)
_LIST_LIMIT = 5000
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _check_ids(field: str, values: Sequence[str], most: int) -> None:
    if len(values) > most:
        raise InvalidArgument("TOO_MANY", violations=[(f"/{field}", f"At most {most} are allowed.")])
    for position, value in enumerate(values):
        check_id(f"{field}/{position}", value)


def _viewer_schools() -> frozenset[str]:
    viewer = current_caller().viewer
    return viewer.schools if viewer else actions.DISTRICT_WIDE


def _require(permission: str) -> None:
    viewer = current_caller().viewer
    if viewer and permission not in viewer.permissions:
        raise PermissionDenied(
            "PERMISSION_MISSING", f"Your profile does not include {permission}.", metadata={"permission": permission}
        )


def _query(audience: pb.Audience) -> AudienceQuery:
    for field, most in (
        ("school_ids", 1000),
        ("person_ids", _LIST_LIMIT),
        ("student_ids", _LIST_LIMIT),
        ("class_ids", 1000),
    ):
        _check_ids(f"audience/{field}", list(getattr(audience, field)), most)
    if audience.working_school_id:
        check_id("audience/working_school_id", audience.working_school_id)
    return AudienceQuery(
        school_ids=tuple(audience.school_ids),
        grades=tuple(audience.grades),
        roles=_roles(audience.roles),
        person_ids=tuple(str(UUID(each)) for each in audience.person_ids),
        student_ids=tuple(str(UUID(each)) for each in audience.student_ids),
        class_ids=tuple(audience.class_ids),
        working_school_id=audience.working_school_id,
    )


def _roles(numbers: Sequence[int]) -> tuple[Role, ...]:
    unknown = [
        (f"/roles/{i}", "This is not a role.") for i, number in enumerate(numbers) if number not in messages.ROLE_NAMES
    ]
    if unknown:
        raise InvalidArgument("ROLE_UNKNOWN", violations=unknown)
    return tuple(messages.ROLE_NAMES[number] for number in numbers)


def _hours(begins: str, ends: str) -> tuple[time, time] | None:
    """Return the hours, None for none. InvalidArgument with the field at fault."""
    if not (begins or ends):
        return None
    fields = {"/quiet_from": begins, "/quiet_until": ends}
    wrong = [(field, "Enter a time like 21:00.") for field, text in fields.items() if not _CLOCK.fullmatch(text)]
    if not wrong and begins == ends:
        wrong = [("/quiet_until", "Choose another time than the first.")]
    if wrong:
        raise InvalidArgument("QUIET_HOURS_INVALID", "The quiet hours are not in order.", violations=wrong)
    return time.fromisoformat(begins), time.fromisoformat(ends)


class DirectoryServicer(directory_pb2_grpc.DirectoryServiceServicer):
    """Answers DirectoryService from one database."""

    def __init__(self, engine: AsyncEngine, time_zone: str, clock: Clock = utc_now) -> None:
        """time_zone is the district's, for schools whose roster names none."""
        self._engine, self._time_zone, self._clock = engine, time_zone, clock

    async def GetViewer(self, request: pb.GetViewerRequest, context: Any) -> pb.GetViewerResponse:
        """See the proto."""
        check_id("person_id", request.person_id)
        return pb.GetViewerResponse(viewer=await actions.get_viewer(self._engine, request.person_id))

    async def ListSchools(self, request: pb.ListSchoolsRequest, context: Any) -> pb.ListSchoolsResponse:
        """See the proto."""
        async with transaction(self._engine) as connection:
            rows = await people.all_schools(connection)
        return pb.ListSchoolsResponse(schools=[messages.school_message(row) for row in rows])

    async def UpdateSchool(self, request: pb.UpdateSchoolRequest, context: Any) -> pb.UpdateSchoolResponse:
        """See the proto."""
        _require("manage_directory")
        check_id("school_id", request.school_id)
        return pb.UpdateSchoolResponse(
            school=await school_fields.exclude(
                self._engine, self._clock, current_caller(), request.school_id, request.is_excluded
            )
        )

    async def ListSchoolFields(self, request: pb.ListSchoolFieldsRequest, context: Any) -> pb.ListSchoolFieldsResponse:
        """See the proto."""
        return pb.ListSchoolFieldsResponse(fields=await school_fields.offered(self._engine, current_caller()))

    async def UpdateSchoolField(
        self, request: pb.UpdateSchoolFieldRequest, context: Any
    ) -> pb.UpdateSchoolFieldResponse:
        """See the proto."""
        _require("manage_directory")
        if "*" not in _viewer_schools():
            raise PermissionDenied("DISTRICT_ONLY", "School Fields are the district's.")
        for name in ("viewers", "editors"):
            _check_ids(f"field/{name}", list(getattr(request.field, name)), 1000)
        field = await school_fields.update_field(self._engine, self._clock, current_caller(), request.field)
        return pb.UpdateSchoolFieldResponse(field=field)

    async def SetQuietHours(self, request: pb.SetQuietHoursRequest, context: Any) -> pb.SetQuietHoursResponse:
        """See the proto."""
        _require("manage_directory")
        check_id("school_id", request.school_id)
        hours = _hours(request.quiet_from, request.quiet_until)
        school = await editing.set_quiet_hours(self._engine, self._clock, current_caller(), request.school_id, hours)
        return pb.SetQuietHoursResponse(school=school)

    async def SearchPeople(self, request: pb.SearchPeopleRequest, context: Any) -> pb.SearchPeopleResponse:
        """See the proto."""
        _check_ids("school_ids", list(request.school_ids), 1000)
        if len(request.query) > 100 or "\x00" in request.query or not 0 <= request.limit <= 50:
            raise InvalidArgument(
                "SEARCH_MALFORMED", violations=[("/query", "At most 100 characters, and at most 50 people.")]
            )
        seen = _viewer_schools()
        wanted = set(request.school_ids) if "*" in seen else (set(request.school_ids) or set(seen)) & set(seen)
        limits = sorted(wanted) if request.school_ids or "*" not in seen else None
        async with transaction(self._engine) as connection:
            rows = await people.search(
                connection, request.query.strip(), _roles(request.roles), limits, request.limit or 20
            )
        return pb.SearchPeopleResponse(people=[messages.person_message(row) for row in rows])

    async def BatchGetPeople(self, request: pb.BatchGetPeopleRequest, context: Any) -> pb.BatchGetPeopleResponse:
        """See the proto."""
        _check_ids("person_ids", list(request.person_ids), 500)
        if len(request.sourced_ids) > 500 or any("\x00" in each for each in request.sourced_ids):
            wrong = [("/sourced_ids", "At most 500 are allowed, without zero characters.")]
            raise InvalidArgument("TOO_MANY", violations=wrong)
        seen = _viewer_schools()
        limits = None if "*" in seen else seen
        async with transaction(self._engine) as connection:
            rows = await people.people_by_id(connection, request.person_ids, request.sourced_ids, limits)
        return pb.BatchGetPeopleResponse(people=[messages.person_message(row) for row in rows])

    async def GetPerson(self, request: pb.GetPersonRequest, context: Any) -> pb.GetPersonResponse:
        """See the proto."""
        check_id("person_id", request.person_id)
        return await actions.get_person(self._engine, request.person_id, _viewer_schools())

    async def ListPermissionHolders(
        self, request: pb.ListPermissionHoldersRequest, context: Any
    ) -> pb.ListPermissionHoldersResponse:
        """See the proto."""
        _check_ids("school_ids", list(request.school_ids), 1000)
        seen, asked = _viewer_schools(), frozenset(request.school_ids)
        within = (asked or None) if "*" in seen else (asked or seen) & seen
        holders = await actions.list_permission_holders(self._engine, request.permission, within)
        return pb.ListPermissionHoldersResponse(holders=holders)

    async def ListProfiles(self, request: pb.ListProfilesRequest, context: Any) -> pb.ListProfilesResponse:
        """See the proto."""
        async with transaction(self._engine) as connection:
            rows = await settings.all_profiles(connection)
        return pb.ListProfilesResponse(profiles=[messages.profile_message(row) for row in rows])

    async def UpdateProfile(self, request: pb.UpdateProfileRequest, context: Any) -> pb.UpdateProfileResponse:
        """See the proto."""
        _require("manage_profiles")
        check_id("profile_id", request.profile_id)
        profile = await editing.update_profile(self._engine, self._clock, current_caller(), request)
        return pb.UpdateProfileResponse(profile=profile)

    async def ListModules(self, request: pb.ListModulesRequest, context: Any) -> pb.ListModulesResponse:
        """See the proto."""
        async with transaction(self._engine) as connection:
            rows = await settings.all_modules(connection)
        return pb.ListModulesResponse(modules=[messages.module_message(row) for row in rows])

    async def UpdateModule(self, request: pb.UpdateModuleRequest, context: Any) -> pb.UpdateModuleResponse:
        """See the proto."""
        _require("manage_directory")
        module = await editing.update_module(self._engine, self._clock, current_caller(), request.module)
        return pb.UpdateModuleResponse(module=module)

    async def ResolveAudience(
        self, request: pb.ResolveAudienceRequest, context: Any
    ) -> AsyncIterator[pb.ResolveAudienceResponse]:
        """See the proto."""
        seen = await self._schools_of(request.on_behalf_of) if request.on_behalf_of else _viewer_schools()
        async for piece in actions.resolve_audience(self._engine, _query(request.audience), seen):
            yield pb.ResolveAudienceResponse(recipients=columns_of(piece))

    async def _schools_of(self, person_id: str) -> frozenset[str]:
        """Return the schools that a person may see now; NotFound when they left."""
        caller = current_caller()
        if caller.viewer and caller.viewer.person_id != person_id:
            raise PermissionDenied("NOT_YOURSELF", "You can only ask in your own name.")
        check_id("on_behalf_of", person_id)
        viewer = await actions.get_viewer(self._engine, person_id)
        return actions.DISTRICT_WIDE if viewer.is_district_wide else frozenset(viewer.school_ids)

    async def PreviewAudience(self, request: pb.PreviewAudienceRequest, context: Any) -> pb.PreviewAudienceResponse:
        """See the proto."""
        return await actions.preview_audience(self._engine, _query(request.audience), _viewer_schools())

    async def ImportRoster(
        self, request_iterator: AsyncIterable[pb.ImportRosterRequest], context: Any
    ) -> pb.ImportRosterResponse:
        """See the proto."""
        _require("manage_directory")
        by = changer(current_caller(), self._clock())
        try:
            files, accepts_leavers = await uploading.collect(request_iterator)
            return await importing.import_roster(
                self._engine, files, self._time_zone, by, accepts_leavers=accepts_leavers
            )
        except (InvalidArgument, FailedPrecondition) as problem:
            # The information system may not read what it is answered: nights would pass with yesterday's families.
            _log.warning("roster_refused", reason=problem.reason, by=by.name)
            raise
