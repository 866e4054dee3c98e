"""Who is signed in and what they may see: asked of directory, remembered for at most a second (statement 5)."""

import threading
import time

from joserfc.jwk import OKPKey

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission, Person, scopes_of
from services.gateway.clients import Clients
from services.kit.auth import Viewer, sign_viewer
from services.kit.errors import NotFound
from services.kit.rpc_errors import translated

REMEMBERED_SECONDS = 1.0
"""A change of somebody's rights shows at the latest after this."""
_SCREENING, _CALL_OUT = "moderation_api", "call_out"
_LIMIT = 5_000


class Viewers:
    """Looks up people for requests."""

    def __init__(self, clients: Clients, key: OKPKey) -> None:
        """Take the stubs and the private key that signs viewer tokens."""
        self._clients, self._key = clients, key
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Person, str]] = {}

    def look_up(self, person_id: str) -> tuple[Person, str] | None:
        """Return the person and a token in their name; None when they may no longer sign in."""
        known = self._known.get(person_id)
        if known and known[0] > time.monotonic():
            return known[1], known[2]
        found = self._ask(person_id)
        with self._lock:
            if len(self._known) >= _LIMIT:
                self._known.clear()
            if found:
                self._known[person_id] = (time.monotonic() + REMEMBERED_SECONDS, *found)
            else:
                self._known.pop(person_id, None)
        return found

    def _ask(self, person_id: str) -> tuple[Person, str] | None:
        metadata = self._clients.as_gateway
        try:
            with translated():
                request = directory.GetViewerRequest(person_id=person_id)
                answer = self._clients.directory.GetViewer(request, metadata=metadata)
                modules = self._clients.directory.ListModules(directory.ListModulesRequest(), metadata=metadata)
        except NotFound:
            return None
        switched_on = {each.name for each in modules.modules if each.is_purchased and each.is_enabled}
        person = _person(answer.viewer, switched_on)
        return person, self._sign(person)

    def _sign(self, person: Person) -> str:
        permissions = frozenset(name for name in person.permissions if person.may(name))
        viewer = Viewer(
            person_id=person.person_id,
            name=person.name,
            role=person.role,
            permissions=permissions,
            schools=person.visible_schools,
            all_users=Permission.VIEW_ALL_USERS in permissions,
        )
        return sign_viewer(self._key, viewer, scopes_of(permissions))


def _person(viewer: directory.Viewer, switched_on: set[str]) -> Person:
    person = viewer.person
    return Person(
        person_id=person.person_id,
        name=person.name,
        role=types.Role.Name(person.role).removeprefix("ROLE_").lower(),
        permissions=frozenset(viewer.permissions),
        school_ids=tuple(person.school_ids),
        visible_schools=frozenset({"*"}) if viewer.is_district_wide else frozenset(viewer.school_ids),
        profile_name=viewer.profile_name,
        title=person.title,
        grade=person.grade,
        has_threats=_SCREENING in switched_on,
        has_call_out=_CALL_OUT in switched_on,
    )
