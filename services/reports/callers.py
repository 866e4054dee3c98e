"""Who asks, what they may do, and what they see: read from the token of the call."""

from protos.reports.v1 import reports_pb2 as pb
from services.kit.auth import Viewer, current_caller, require_viewer
from services.kit.errors import PermissionDenied
from services.reports.domain import EVERYTHING, Origin, Referring, Report, Sight
from services.reports.store.auditing import Actor

REPORTS = "communication_reports"
THREATS = "threat_alerts"
FLAGS = "flag_messages"
AUDIT = "view_audit"
DIRECTORY = "manage_directory"


def permitted(*permissions: str) -> Viewer:
    """Return the viewer, who holds one of the permissions; PermissionDenied otherwise."""
    viewer = require_viewer()
    if not viewer.permissions & set(permissions):
        raise PermissionDenied(
            "PERMISSION_MISSING",
            "Your profile does not include this.",
            metadata={"permission": " or ".join(permissions)},
        )
    return viewer


def operator() -> Viewer:
    """Return the viewer, who manages the whole district's directory; PermissionDenied otherwise."""
    viewer = permitted(DIRECTORY)
    if not viewer.is_district_wide:
        raise PermissionDenied("OPERATORS_ONLY", "This is for those who manage the whole district's directory.")
    return viewer


def sight_of(viewer: Viewer) -> Sight:
    """Return what a viewer sees."""
    return Sight(viewer.person_id, viewer.schools, viewer.all_users, THREATS in viewer.permissions)


def attendance_sight(viewer: Viewer) -> Sight:
    """Return what a viewer sees of attendance messages (statement 124)."""
    return sight_of(viewer).for_attendance(viewer.role)


def sight_in(report: Report, viewer: Viewer) -> Sight:
    """Return what a viewer sees in a report."""
    if report is Report.ATTENDANCE:
        return attendance_sight(viewer)
    return sight_of(viewer).for_threats() if report is Report.THREATS else sight_of(viewer)


def listed(viewer: Viewer, *, is_attendance: bool) -> tuple[Report, Sight]:
    """Return the report whose rows are asked for, and what the viewer sees of it."""
    report = Report.ATTENDANCE if is_attendance else Report.HISTORY
    return report, sight_in(report, viewer)


def actor_of(viewer: Viewer) -> Actor:
    """Return a viewer as the log names them."""
    return Actor(viewer.person_id, viewer.name)


def reviewer() -> tuple[Sight, Actor]:
    """Return what the viewer sees of threats, and who it is; PermissionDenied without Threat Alerts."""
    viewer = permitted(THREATS)
    return sight_of(viewer).for_threats(), actor_of(viewer)


def check_all_users(viewer: Viewer, wanted: pb.Filter | pb.SearchSchedulesRequest) -> None:
    """Statement 36: the tick is refused to whoever may not have it."""
    if wanted.view_all_users and not viewer.all_users:
        raise PermissionDenied("ALL_USERS_NOT_ALLOWED", "Your profile does not include messages of other users.")


def flagger(origin: Origin) -> tuple[Sight, Actor, Viewer | None]:
    """Return who flags and what they see; PermissionDenied when this flag is not theirs."""
    caller = current_caller()
    if origin is Origin.TEACHER:
        if caller.viewer:
            raise PermissionDenied("FLAG_NOT_YOURS", "Teachers flag in Communication.")
        return EVERYTHING, Actor(caller.subject, caller.name), None
    if origin is Origin.ADMIN:
        viewer = permitted(FLAGS)
        return sight_of(viewer), actor_of(viewer), viewer
    viewer = permitted(FLAGS, THREATS)
    sight = sight_of(viewer).for_threats() if THREATS in viewer.permissions else sight_of(viewer)
    return sight, actor_of(viewer), viewer


def referrer() -> tuple[Referring, Actor]:
    """Return for which messages the caller may refer, and who it is; PermissionDenied without the permissions."""
    caller = current_caller()
    if caller.viewer is None:
        return Referring(EVERYTHING, True, False, is_district=True), Actor(caller.subject, caller.name)
    viewer = permitted(FLAGS, THREATS)
    sight, held = sight_of(viewer), viewer.permissions
    return Referring(sight, FLAGS in held, THREATS in held), actor_of(viewer)


def detail_of(wanted: pb.Filter) -> str:
    """Say which filters a search had: names, ids, dates and columns, never what somebody typed into a rule."""
    parts = [
        *(f"school={each}" for each in wanted.school_ids),
        *(f"sender={each}" for each in wanted.sender_ids),
        *(f"channel={each}" for each in wanted.channels),
        *(f"rule={each.column}" for each in wanted.rules),
        *(f"message={each}" for each in wanted.message_ids),
        *(
            f"{name}={getattr(wanted, name)}"
            for name in ("start_date", "end_date", "start_time", "end_time")
            if getattr(wanted, name)
        ),
        *(name for name in ("is_secure", "is_emergency", "is_flagged", "view_all_users") if getattr(wanted, name)),
    ]
    return " ".join(parts)[:1000]
