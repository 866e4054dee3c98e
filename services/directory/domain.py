"""Pure rules of the directory: permissions, roles, contacts, and who an audience leaves out.

Permissions by role (section A of the acceptance list): an admin profile may hold any combination; a teacher profile may
hold Communication Reports alone among the report switches (statement 3); students and parents hold none of them
(statement 16) and may only write to staff.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.kit.errors import FailedPrecondition, InvalidArgument


class Role(StrEnum):
    """Whose account a person has."""

    ADMIN = "admin"
    TEACHER = "teacher"
    STUDENT = "student"
    PARENT = "parent"


STAFF = (Role.ADMIN, Role.TEACHER)


class Permission(StrEnum):
    """What a profile may allow; docs/permissions.md says what each means."""

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


ALLOWED_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.TEACHER: frozenset(
        {
            Permission.COMMUNICATION_REPORTS,
            Permission.SEND_MESSAGES,
            Permission.SEND_TO_STAFF,
            Permission.SEND_EMERGENCY,
            Permission.SEND_AS_DISTRICT,
            Permission.MANAGE_ATTENDANCE,
        }
    ),
    Role.STUDENT: frozenset({Permission.SEND_TO_STAFF}),
    Role.PARENT: frozenset({Permission.SEND_TO_STAFF}),
}

EXCLUDED = "exclude_from_communication"
"""The system field of schools (section R)."""
MODULES = ("call_out", "moderation_api", "translation")


def check_permissions(role: Role, names: list[str]) -> list[Permission]:
    """Return the permissions, sorted and without repeats.

    InvalidArgument for an unknown name; FailedPrecondition for one that the role cannot hold (statement 3).
    """
    unknown = [
        (f"/permissions/{i}", f"There is no permission {n!r}.") for i, n in enumerate(names) if n not in set(Permission)
    ]
    if unknown:
        raise InvalidArgument("UNKNOWN_PERMISSION", "A permission is not known.", violations=unknown)
    wanted = sorted({Permission(name) for name in names})
    refused = [name for name in wanted if name not in ALLOWED_PERMISSIONS[role]]
    if refused:
        words = ", ".join(refused)
        raise FailedPrecondition("PERMISSION_NOT_FOR_ROLE", f"A {role} profile cannot hold {words}.")
    return wanted


@dataclass(frozen=True)
class AudienceQuery:
    """An audience, checked: whom a message is for."""

    school_ids: tuple[str, ...]
    grades: tuple[str, ...]
    roles: tuple[Role, ...]
    person_ids: tuple[str, ...]
    student_ids: tuple[str, ...]
    class_ids: tuple[str, ...]
    working_school_id: str

    @property
    def names_people(self) -> bool:
        """Whether people are named one by one, in place of a selection."""
        return bool(self.person_ids or self.student_ids)


def schools_in_reach(
    query: AudienceQuery, all_schools: dict[str, bool], viewer_schools: frozenset[str]
) -> tuple[set[str], set[str]]:
    """Return (schools whose people are reached, schools left out because they are excluded from communication).

    all_schools maps each school id to whether it is excluded; viewer_schools holds ids or "*". An excluded working
    school
    reaches itself alone (statement 227); an excluded school is reached by nobody else (statement 225).
    """
    seen = {each for each in all_schools if "*" in viewer_schools or each in viewer_schools}
    chosen = seen & set(query.school_ids) if query.school_ids else seen
    working = query.working_school_id
    if working and all_schools.get(working):
        return chosen & {working}, set()
    left_out = {each for each in chosen if all_schools[each]}
    return chosen - left_out, left_out
