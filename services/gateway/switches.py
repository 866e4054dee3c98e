"""The switches of a profile as its page shows them, by tab and section (statements 2, 3 and 245)."""

from typing import NamedTuple

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission


class Switch(NamedTuple):
    """A permission as its page names it."""

    permission: str
    label: str
    meaning: str


class Section(NamedTuple):
    """Switches under one heading of a tab."""

    tab: str
    title: str
    switches: tuple[Switch, ...]


ROLES = {"admin": "Admin", "teacher": "Teacher", "student": "Student", "parent": "Parent"}
"""Roles, by their name in addresses."""
TABS = {"students": "Students", "communication": "Communication", "settings": "Settings"}
_VIEW = Switch(
    Permission.COMMUNICATION_REPORTS,
    "Communication Reports: View",
    "Opens Students › Communication Reports with the messages that the holder sent.",
)
_SECTIONS = (
    Section(
        "students",
        "Communication",
        (
            _VIEW,
            Switch(Permission.VIEW_ALL_USERS, "View All Users", "Messages of other senders, in the holder's schools."),
            Switch(Permission.FLAG_MESSAGES, "Flag Messages", "Sets and clears Admin Flagged, and adds referrals."),
            Switch(
                Permission.THREAT_ALERTS,
                "Threat Alerts",
                "Is told of every possible threat by portal alert, push and e-mail, and opens Threat Messages.",
            ),
        ),
    ),
    Section(
        "communication",
        "Sending",
        (
            Switch(Permission.SEND_MESSAGES, "Send messages", "The composer: families, students and staff."),
            Switch(Permission.SEND_TO_STAFF, "Write to teachers", "Messages to the teachers of the holder's schools."),
            Switch(Permission.SEND_EMERGENCY, "Emergency calls", "Calls that go ahead of everything else."),
            Switch(Permission.SEND_AS_DISTRICT, "Send as District", "Messages that carry the district's name."),
            Switch(Permission.MANAGE_ATTENDANCE, "Attendance rules", "Who is told of absences, how and when."),
        ),
    ),
    Section(
        "settings",
        "District",
        (
            Switch(Permission.MANAGE_PROFILES, "Profiles", "This page."),
            Switch(Permission.MANAGE_DIRECTORY, "Directory", "Roster import, schools, quiet hours, contact standing."),
            Switch(Permission.MANAGE_POLICY, "Screening policy", "What of students' messages is withheld."),
            Switch(Permission.VIEW_AUDIT, "Audit", "Who saw and did what with students' messages."),
        ),
    ),
)
_TEACHERS_SECTION = Section("students", "Communication Reports", (_VIEW,))
"""A teacher's profile has one report switch, under a heading of its own (statement 245)."""


def role_of(profile: directory.Profile) -> str:
    """Return the name in addresses of a profile's role."""
    return types.Role.Name(profile.role).removeprefix("ROLE_").lower()


def sections_of(profile: directory.Profile, tab: str) -> list[Section]:
    """Return the sections of a tab, with the switches that a profile of this role can have."""
    available = set(profile.available_permissions)
    is_teachers = profile.role == types.ROLE_TEACHER
    found = []
    for section in (_TEACHERS_SECTION, *_SECTIONS[1:]) if is_teachers else _SECTIONS:
        switches = tuple(each for each in section.switches if each.permission in available)
        if switches and section.tab == tab:
            found.append(section._replace(switches=switches))
    return found
