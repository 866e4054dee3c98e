"""Who may see which message and which of its recipients (sections A and F)."""

from collections.abc import Iterable

from services.kit.auth import Caller, Viewer
from services.kit.errors import NotFound, PermissionDenied
from services.queue.domain import Screening
from services.queue.records import KIND_ATTENDANCE, KIND_ORDINARY, Message
from services.queue.store.received import Sight

_STAFF = frozenset({"admin", "teacher"})


def may_manage(caller: Caller, message: Message) -> bool:
    """Tell whether the caller may cancel or resend: the sender, or staff who see all users of the sender's school."""
    viewer = caller.viewer
    if viewer is None:
        return True
    if viewer.role not in _STAFF:
        return False
    sees_all = "view_all_users" in viewer.permissions and viewer.all_users
    return viewer.person_id == message.sender.person_id or (sees_all and viewer.sees_school(message.sender.school_id))


def visible_schools(caller: Caller, message: Message) -> list[str] | None:
    """Return the schools whose recipients of the message the caller sees, None for every one; NotFound for none at all.

    A message that waits for its verdict is shown to nobody; a withheld one to those who hold Threat Alerts,
    who see it whole after its release too.
    """
    viewer = caller.viewer
    if viewer is None:
        return None
    if viewer.role not in _STAFF:
        raise PermissionDenied("STAFF_ONLY", "Deliveries are shown to staff.")
    if _reviews(viewer, message):
        return None
    if message.screening in {Screening.WAITING, Screening.WITHHELD}:
        raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
    if viewer.person_id == message.sender.person_id:
        return None
    # Threat Alerts alone opens nothing but threats (statement 17).
    is_alerted_alone = "threat_alerts" in viewer.permissions and "communication_reports" not in viewer.permissions
    if is_alerted_alone or not _sees_others(viewer, message):
        raise NotFound("ENTRY_NOT_FOUND", "There is no such entry.")
    return None if viewer.is_district_wide else sorted(viewer.schools)


def sight(caller: Caller) -> Sight:
    """Return the same as visible_schools for messages in any number, without those that are seen for review alone.

    The text of a threat stands in Threat Messages, where each reading is logged.
    """
    viewer = caller.viewer
    if viewer is None:
        return Sight(True, "", (), None)
    if viewer.role not in _STAFF:
        raise PermissionDenied("STAFF_ONLY", "Deliveries are shown to staff.")
    kinds = [KIND_ORDINARY, KIND_ATTENDANCE] if viewer.all_users else [KIND_ATTENDANCE] * (viewer.role == "admin")
    schools = None if viewer.is_district_wide else sorted(viewer.schools)
    return Sight(False, viewer.person_id, kinds, schools)


def _reviews(viewer: Viewer, message: Message) -> bool:
    """Tell whether a message is a threat that the viewer reviews, also after its release."""
    return message.is_threat and "threat_alerts" in viewer.permissions and viewer.sees_school(message.sender.school_id)


def may_read(caller: Caller, message: Message, school_ids: Iterable[str]) -> bool:
    """Tell whether the caller may read the text of a message to recipients of these schools."""
    viewer = caller.viewer
    if viewer is None or viewer.person_id == message.sender.person_id:
        return True
    if viewer.role not in _STAFF or message.screening is Screening.WAITING:
        return False
    if _reviews(viewer, message):
        return True
    is_near = any(viewer.sees_school(each) for each in (message.sender.school_id, *school_ids))
    return is_near and _sees_others(viewer, message) and message.screening is not Screening.WITHHELD


def _sees_others(viewer: Viewer, message: Message) -> bool:
    """Tell whether the viewer sees messages like this one of others; admins see attendance by school (124)."""
    return viewer.all_users or (message.kind == KIND_ATTENDANCE and viewer.role == "admin")


def is_told(caller: Caller) -> bool:
    """Tell whether the caller may know that screening withheld a message; its sender may not (statement 176)."""
    return caller.viewer is None or "threat_alerts" in caller.viewer.permissions
