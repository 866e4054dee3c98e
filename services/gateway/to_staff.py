"""Whom students and parents write to: members of staff, several at once."""

import re
from collections.abc import Sequence

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.gateway.state import gateway
from services.kit.errors import InvalidArgument, PermissionDenied
from services.kit.rpc_errors import translated

MOST = 20
"""People whom one message may name."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def check(person_ids: Sequence[str]) -> None:
    """Raise InvalidArgument unless somebody is named, and not too many; PermissionDenied unless all are staff."""
    named = {each.lower() for each in person_ids}
    if not 1 <= len(named) <= MOST:
        text = f"Choose at most {MOST} people." if named else "Choose whom to write to."
        raise InvalidArgument("MESSAGE_INVALID", "Some fields need another look.", violations=[("/person_ids", text)])
    if not named <= {each.person_id for each in among(person_ids)}:
        raise PermissionDenied("STAFF_ONLY", "You can write to members of staff only.")


def valid(ids: Sequence[str]) -> list[str]:
    """Return those of the ids that have the form of one, in lower case, each once."""
    return [each for each in dict.fromkeys(map(str.lower, ids)) if _ID.fullmatch(each)]


def among(person_ids: Sequence[str]) -> list[directory.Person]:
    """Return the members of staff that these ids name, in their order; what names nobody is left out."""
    ids = valid(person_ids)
    if not ids:
        return []
    with translated():
        wanted = directory.BatchGetPeopleRequest(person_ids=ids)
        people = gateway().clients.directory.BatchGetPeople(wanted).people
    staff = {each.person_id: each for each in people if each.role in {types.ROLE_TEACHER, types.ROLE_ADMIN}}
    return [staff[each] for each in ids if each in staff]
