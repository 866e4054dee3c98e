"""Which calls a person's permissions allow: one table, from permission to the scopes of a viewer token."""

from enum import StrEnum
from typing import NamedTuple


class Permission(StrEnum):
    """What a route may ask for: the first two, or a permission of profiles (docs/permissions.md)."""

    PUBLIC = "public"
    """Everyone, signed in or not."""
    SIGNED_IN = "signed_in"
    """Everyone who is signed in."""
    COMMUNICATION_REPORTS = "communication_reports"
    VIEW_ALL_USERS = "view_all_users"
    FLAG_MESSAGES = "flag_messages"
    THREAT_ALERTS = "threat_alerts"
    SEND_MESSAGES = "send_messages"
    SEND_TO_STAFF = "send_to_staff"
    SEND_EMERGENCY = "send_emergency"
    SEND_AS_DISTRICT = "send_as_district"
    MANAGE_PROFILES = "manage_profiles"
    MANAGE_DIRECTORY = "manage_directory"
    VIEW_AUDIT = "view_audit"
    MANAGE_POLICY = "manage_policy"
    MANAGE_ATTENDANCE = "manage_attendance"


EVERYONE = frozenset({"queue.inbox", "queue.answers", "directory.read"})
"""Scopes of every signed-in person."""
SCOPES: dict[str, frozenset[str]] = {
    Permission.COMMUNICATION_REPORTS: frozenset({"reports.read", "reports.export", "queue.read", "queue.recordings"}),
    Permission.VIEW_ALL_USERS: frozenset(),
    Permission.FLAG_MESSAGES: frozenset({"reports.review", "reports.export"}),
    Permission.THREAT_ALERTS: frozenset(
        {"reports.threats", "reports.export", "reports.review", "queue.read", "notify.read"}
    ),
    Permission.SEND_MESSAGES: frozenset({"queue.submit", "queue.write", "queue.recordings", "queue.schedules"}),
    Permission.SEND_TO_STAFF: frozenset({"queue.submit", "queue.schedules"}),
    Permission.SEND_EMERGENCY: frozenset(),
    Permission.SEND_AS_DISTRICT: frozenset(),
    Permission.MANAGE_PROFILES: frozenset({"directory.write"}),
    Permission.MANAGE_DIRECTORY: frozenset({"directory.write", "queue.contacts", "queue.senders"}),
    Permission.VIEW_AUDIT: frozenset({"reports.audit", "reports.export"}),
    Permission.MANAGE_POLICY: frozenset({"moderation.read", "moderation.write", "queue.rescreen"}),
    Permission.MANAGE_ATTENDANCE: frozenset({"queue.attendance"}),
}


def scopes_of(permissions: frozenset[str]) -> frozenset[str]:
    """Return the scopes that the permissions imply; unknown ones imply none."""
    return EVERYONE.union(*(SCOPES.get(name, frozenset()) for name in permissions))


class Person(NamedTuple):
    """The signed-in person of a request, as directory describes them at this moment."""

    person_id: str
    name: str
    role: str
    """admin, teacher, student or parent."""
    permissions: frozenset[str]
    school_ids: tuple[str, ...]
    """Schools they belong to, their own first."""
    visible_schools: frozenset[str]
    """Ids, or the single "*" for the whole district."""
    profile_name: str
    title: str
    grade: str
    has_threats: bool
    """Whether threats are screened for in this district (statement 9)."""
    has_call_out: bool = True
    """Whether texts and calls are switched on in this district (statement 13)."""
    has_translation: bool = False
    """Whether messages are translated unless their sender says otherwise."""
    language: str = "en"
    """The one that they prefer, as a BCP 47 tag."""
    working_school_id: str = ""
    """Which of their schools they are working in, chosen for the session (statement 232); "" for the district."""

    @property
    def is_district_wide(self) -> bool:
        """Whether they see every school."""
        return "*" in self.visible_schools

    def sees_school(self, school_id: str) -> bool:
        """Tell whether they see the school."""
        return self.is_district_wide or school_id in self.visible_schools

    def may(self, *names: str) -> bool:
        """Tell whether the person has one of the permissions, threats only where they are screened for."""
        return any(
            name in self.permissions and (name != Permission.THREAT_ALERTS or self.has_threats) for name in names
        )

    def working_in(self, school_id: str) -> "Person":
        """Return the person at work in the school; in their first one when that school is none of theirs."""
        first = self.school_ids[0] if self.school_ids else ""
        return self._replace(working_school_id=school_id if school_id in self.school_ids else first)

    @property
    def is_staff(self) -> bool:
        """Whether the person works for the district; others write to staff only."""
        return self.role in {"admin", "teacher"}
