"""Who is signed in and what they may see: asked of directory on every request (statements 4 and 5)."""

from joserfc.jwk import OKPKey

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission, Person, scopes_of
from services.gateway.clients import Clients
from services.kit.auth import Viewer, sign_viewer
from services.kit.errors import NotFound
from services.kit.rpc_errors import translated

_SCREENING, _CALL_OUT, _TRANSLATION = "moderation_api", "call_out", "translation"


class Viewers:
    """Looks up people for requests."""

    def __init__(self, clients: Clients, key: OKPKey) -> None:
        """Take the stubs and the private key that signs viewer tokens."""
        self._clients, self._key = clients, key

    def look_up(self, person_id: str) -> tuple[Person, str] | None:
        """Return the person and a token in their name; None when they may no longer sign in."""
        request = directory.GetViewerRequest(person_id=person_id)
        try:
            with translated():
                answer = self._clients.directory.GetViewer(request, metadata=self._clients.as_gateway)
        except NotFound:
            return None
        person = _person(answer.viewer)
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


def _person(viewer: directory.Viewer) -> Person:
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
        has_threats=_SCREENING in viewer.modules,
        has_call_out=_CALL_OUT in viewer.modules,
        has_translation=_TRANSLATION in viewer.modules,
        language=person.language,
    )
