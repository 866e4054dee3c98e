"""What directory says to those who send again."""

from collections.abc import Sequence
from typing import Any

from services.kit.auth import Caller
from services.queue.actions.resendable import FromDirectory
from services.queue.actions.standing import Known, KnownSchool, KnownSender
from services.queue.records import Addressee

SERVICE = Caller("test", frozenset())
SCHOOLS = {name: KnownSchool(name, is_excluded=False) for name in ("school-1", "school-2")}
ON = {"call_out": True, "moderation_api": True}


def told(*people: Addressee, caller: Caller = SERVICE, **known: Any) -> FromDirectory:
    """What directory says: these people, and schools and modules that are all on."""
    viewer = caller.viewer
    sender = KnownSender(viewer.person_id, viewer.name, 1, [], "", viewer.permissions) if viewer else None

    async def contacts_of(person_ids: Sequence[str], school_id: str) -> dict[str, Addressee]:
        return {each.person_id: each for each in people if each.person_id in person_ids}

    return FromDirectory(Known(**{"sender": sender, "schools": SCHOOLS, "modules": ON, **known}), contacts_of)
