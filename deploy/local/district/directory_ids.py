"""What directory calls the people and schools of an imported roster, asked of directory itself."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deploy.local.district.history.wire import Ids
from protos.directory.v1 import directory_pb2 as pb
from protos.types.v1 import types_pb2 as types

if TYPE_CHECKING:
    from protos.directory.v1.directory_pb2_grpc import DirectoryServiceAsyncStub

BATCH = 500
_EVERYBODY = (types.ROLE_ADMIN, types.ROLE_TEACHER, types.ROLE_STUDENT, types.ROLE_PARENT)


async def fetch_ids(directory: "DirectoryServiceAsyncStub") -> Ids:
    """Return the ids of everybody by sourcedId; needs a token with scope directory.read. Raises grpc.aio.AioRpcError.

    Directory finds people by audience, so each school is asked as its own working school: that reaches an excluded
    one too. The district office belongs to no school; its people are the district-wide holders of a permission.
    """
    schools = (await directory.ListSchools(pb.ListSchoolsRequest())).schools
    found: dict[str, None] = {}
    for school in schools:
        audience = pb.Audience(school_ids=[school.school_id], working_school_id=school.school_id, roles=_EVERYBODY)
        async for piece in directory.ResolveAudience(pb.ResolveAudienceRequest(audience=audience)):
            found |= dict.fromkeys(piece.recipients.person_ids)
    holders = await directory.ListPermissionHolders(pb.ListPermissionHoldersRequest(permission="send_as_district"))
    found |= dict.fromkeys(one.person_id for one in holders.holders)
    return Ids(await _people(directory, found), {school.sourced_id: school.school_id for school in schools})


async def _people(directory: "DirectoryServiceAsyncStub", ids: Iterable[str]) -> dict[str, str]:
    wanted = list(ids)
    people: dict[str, str] = {}
    for start in range(0, len(wanted), BATCH):
        request = pb.BatchGetPeopleRequest(person_ids=wanted[start : start + BATCH])
        people |= {one.sourced_id: one.person_id for one in (await directory.BatchGetPeople(request)).people}
    return people
