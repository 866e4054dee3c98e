"""What the queue asks directory: who a sender is, which schools there are, which modules are on."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import time as clock_time
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from protos.directory.v1 import directory_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.errors import DeadlineExceeded, NotFound, Unavailable
from services.kit.ids import is_id
from services.kit.rpc_client import async_channel
from services.kit.rpc_errors import translated
from services.queue.actions.quieting import keep_hours
from services.queue.actions.standing import Known, KnownSchool, KnownSender
from services.queue.pieces import addressees
from services.queue.quiet import QuietHours, is_zone
from services.queue.records import Addressee, Addressees

ValueT = TypeVar("ValueT")
FRESH_SECONDS = 3.0
"""How old an answer may be."""
_STALE_SECONDS = 600.0
_DEADLINE_SECONDS = 3.0
_AUDIENCE_SECONDS = 300.0
_MOST_NAMED = 5_000


class _Cached(Generic[ValueT]):
    """One answer, asked for again when it is old; an older one serves while directory is away."""

    def __init__(self, ask: Callable[[], Awaitable[ValueT]]) -> None:
        self._ask = ask
        self._known: tuple[float, ValueT] | None = None

    async def get(self, is_enough: Callable[[ValueT], bool] = lambda _: True) -> ValueT:
        """Return the answer; a young one that is not enough is asked for again too."""
        now = time.monotonic()
        if self._known and now - self._known[0] < FRESH_SECONDS and is_enough(self._known[1]):
            return self._known[1]
        try:
            self._known = (now, await self._ask())
        except (Unavailable, DeadlineExceeded):
            if not self._known or now - self._known[0] > _STALE_SECONDS:
                raise
        return self._known[1]


class Directory:
    """A client of DirectoryService. Its methods raise Unavailable when directory does not answer."""

    def __init__(self, address: str, token: str, authority: str = "") -> None:
        """`token` is the queue's service token, `authority` the PEM that TLS is checked with; empty: no TLS."""
        service = pb.DESCRIPTOR.services_by_name["DirectoryService"]
        self._channel = async_channel(
            address, [service], lambda: token, authority=authority, deadline_seconds=_DEADLINE_SECONDS
        )
        self._stub = directory_pb2_grpc.DirectoryServiceStub(self._channel)
        self._schools = _Cached(self._ask_schools)
        self._modules = _Cached(self._ask_modules)

    async def known(self, sender_id: str) -> Known:
        """Return what directory knows of a sender, and its schools and modules. An empty id is a system's."""
        sender = await self._sender(sender_id) if sender_id else None
        # A person of a school that came a moment ago may write at once.
        wanted = set(sender.school_ids) if sender else set()
        schools = await self._schools.get(lambda found: wanted <= found.keys())
        return Known(sender, schools, await self._modules.get())

    async def _sender(self, person_id: str) -> KnownSender | None:
        try:
            with translated():
                viewer = (await self._stub.GetViewer(pb.GetViewerRequest(person_id=person_id))).viewer
        except NotFound:
            return None
        person = viewer.person
        return KnownSender(
            person_id=person.person_id,
            name=person.name,
            role=int(person.role),
            school_ids=list(person.school_ids),
            grade=person.grade,
            permissions=frozenset(viewer.permissions),
            visible_schools=frozenset({"*"}) if viewer.is_district_wide else frozenset(viewer.school_ids),
        )

    async def recipients(self, audience: pb.Audience, person_id: str) -> AsyncIterator[Addressees]:
        """Yield whom an audience means now, in the name of a person: their schools apply, exclusions too."""
        wanted = pb.ResolveAudienceRequest(audience=audience, on_behalf_of=person_id)
        with translated():
            async for piece in self._stub.ResolveAudience(wanted, timeout=_AUDIENCE_SECONDS):
                yield addressees(piece.recipients, types.RECIPIENT_TYPE_DIRECTORY)

    async def contacts_of(
        self, on_behalf_of: str, person_ids: Sequence[str], school_id: str
    ) -> Mapping[str, Addressee]:
        """Return people with their contacts by id: those in reach of a person, or with an empty id of the district.

        People of excluded schools are missing, unless `school_id`, in whose name one writes, is theirs.
        """
        known = [each for each in person_ids if is_id(each)]
        working = school_id if is_id(school_id) else ""
        found: dict[str, Addressee] = {}
        for start in range(0, len(known), _MOST_NAMED):
            named = pb.Audience(person_ids=known[start : start + _MOST_NAMED], working_school_id=working)
            async for piece in self.recipients(named, on_behalf_of):
                found |= {each.person_id: each for each in map(piece.row, range(piece.size))}
        return found

    async def schools(self) -> Mapping[str, KnownSchool]:
        """Return every school by its id, at most some seconds old."""
        return await self._schools.get()

    async def people(self, *, person_ids: Sequence[str] = (), sourced_ids: Sequence[str] = ()) -> Sequence[pb.Person]:
        """Return those of these people that exist, at most 500 of each."""
        wanted = pb.BatchGetPeopleRequest(person_ids=person_ids, sourced_ids=sourced_ids)
        with translated():
            return list((await self._stub.BatchGetPeople(wanted)).people)

    async def keep_quiet_hours(self, engine: AsyncEngine) -> None:
        """Keep the schools' quiet hours in the queue's own tables, where submission and dispatch find them."""
        await keep_hours(engine, await self._schools.get())

    async def _ask_schools(self) -> dict[str, KnownSchool]:
        with translated():
            answer = await self._stub.ListSchools(pb.ListSchoolsRequest())
        return {each.school_id: _school(each) for each in answer.schools}

    async def _ask_modules(self) -> dict[str, bool]:
        with translated():
            answer = await self._stub.ListModules(pb.ListModulesRequest())
        return {each.name: each.is_purchased and each.is_enabled for each in answer.modules}

    async def close(self) -> None:
        """End the channel."""
        await self._channel.close()


def _school(school: pb.School) -> KnownSchool:
    zone = school.time_zone if is_zone(school.time_zone) else ""
    return KnownSchool(school.title, school.is_excluded, _quiet(school), zone, school.sourced_id)


def _quiet(school: pb.School) -> QuietHours | None:
    if not school.quiet_from or not is_zone(school.time_zone):
        return None
    begins, ends = (clock_time.fromisoformat(each) for each in (school.quiet_from, school.quiet_until))
    return QuietHours(school.time_zone, begins, ends)
