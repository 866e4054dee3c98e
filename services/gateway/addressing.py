"""Whom a message is for: people whom directory finds, or an uploaded list."""

import json
from collections.abc import Iterator
from hashlib import sha256

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway import choosing, lists, store
from services.gateway.access import Person
from services.gateway.database import transaction
from services.gateway.drafts import Draft
from services.gateway.grades import in_words
from services.gateway.pages import schools, visible_schools
from services.gateway.state import gateway
from services.kit.errors import NotFound
from services.kit.rpc_errors import translated

ROLES = {"parent": types.ROLE_PARENT, "student": types.ROLE_STUDENT, "teacher": types.ROLE_TEACHER,
         "admin": types.ROLE_ADMIN}  # fmt: skip
_ROLE_WORDS = {"parent": "families", "student": "students", "teacher": "teachers", "admin": "administrators"}
_ROWS_A_PIECE = 500
_RESOLVE_SECONDS = 60.0


def audience_of(draft: Draft, person: Person) -> directory.Audience:
    """Return whom directory should find."""
    return directory.Audience(
        school_ids=draft.school_ids,
        grades=draft.grades,
        roles=[ROLES[name] for name in draft.roles if name in ROLES],
        person_ids=draft.person_ids,
        student_ids=draft.student_ids,
        working_school_id=person.working_school_id,
    )


def preview(draft: Draft, person: Person) -> directory.PreviewAudienceResponse:
    """Return how many a draft would reach, and who is left out and why."""
    if draft.list_id:
        return lists.preview(find_list(draft.list_id, person).entries)
    with translated():
        wanted = directory.PreviewAudienceRequest(audience=audience_of(draft, person))
        answer: directory.PreviewAudienceResponse = gateway().clients.directory.PreviewAudience(wanted)
    return answer


def find_list(list_id: str, person: Person) -> store.RecipientList:
    """Return an uploaded list. NotFound when it is gone, or somebody else's."""
    with transaction(gateway().engine) as connection:
        found = store.find_list(connection, person.person_id, list_id)
    if found is None:
        raise NotFound("LIST_UNKNOWN", "The list is no longer here. Upload it again.")
    return found


def recipients(draft: Draft, person: Person) -> Iterator[queue.Recipients]:
    """Yield whom a draft is for, in the pieces that the queue takes."""
    if draft.list_id:
        entries = find_list(draft.list_id, person).entries
        for start in range(0, len(entries), _ROWS_A_PIECE):
            yield lists.recipients(entries[start : start + _ROWS_A_PIECE])
        return
    with translated():
        wanted = directory.ResolveAudienceRequest(audience=audience_of(draft, person))
        for piece in gateway().clients.directory.ResolveAudience(wanted, timeout=_RESOLVE_SECONDS):
            if piece.recipients.count:
                yield queue.Recipients(columns=piece.recipients, type=types.RECIPIENT_TYPE_DIRECTORY)


def summary(draft: Draft, person: Person) -> str:
    """Return whom a draft is for, in words: "All families, Lincoln High"."""
    if draft.list_id:
        found = find_list(draft.list_id, person)
        return f"Uploaded list, {len(found.entries):,} people"
    if draft.names_people:
        return choosing.summary(draft.person_ids, draft.student_ids)
    who = " and ".join(_ROLE_WORDS[name] for name in draft.roles if name in _ROLE_WORDS)
    grades = f" of grade {in_words(draft.grades)}" if draft.grades else ""
    titles = [each.title for each in schools() if each.school_id in draft.school_ids]
    where = ", ".join(titles) if titles else "every school" if len(visible_schools(person)) > 1 else ""
    text = f"All {who}{grades}" + (f", {where}" if where else "")
    return text[:200]


def digest(draft: Draft, person: Person) -> bytes:
    """Return what tells whom a draft is for from anybody else: the same file twice is the same list."""
    if draft.list_id:
        return sha256(json.dumps(find_list(draft.list_id, person).entries, sort_keys=True).encode()).digest()
    return sha256(audience_of(draft, person).SerializeToString(deterministic=True)).digest()
