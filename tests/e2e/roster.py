"""A district made for counting: 1,100 families of two schools, a few of which cannot be reached.

By how many is known.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deploy.local.district.source import data

OTHER_FAMILIES = 100
"""Families of Ridge High, which must never get what Lincoln High sends."""
SENIORS = int(os.environ.get("SENIORS", "200"))
"""Families of Lincoln High's grade 12, 1 to 10,000: each fault meets these."""
FAMILIES = 800 + SENIORS
"""Families of Lincoln High, which tests send to."""
_RELIABLE_LINES = 85


@dataclass(frozen=True)
class Staff:
    """Somebody with an account of their own."""

    username: str
    name: str
    role: str
    school: str

    @property
    def email(self) -> str:
        """Where their alerts go."""
        return f"{self.username}@example.org"


STAFF = (
    Staff("principal", "Ida Cole", "principal", "s1"),
    Staff("counsellor", "Lee Marsh", "counselor", "s1"),
    Staff("officer", "Ada North", "districtAdministrator", "d1"),
    Staff("ridge", "Hal Reed", "principal", "s2"),
    Staff("teacher", "Tom Reed", "teacher", "s1"),
)
HOLDERS = ("principal", "counsellor", "officer")
"""Who is alerted of a threat at Lincoln High: its own holders and the district's."""


@dataclass(frozen=True)
class Trouble:
    """Families with one kind of trouble: the first ones of the school, one kind after the other."""

    count: int
    line: int | None = None
    """Last two digits of their numbers, which decide what the simulator does; None: something that is no number."""
    word: str = ""
    """Word in their addresses, which decides the same for e-mail."""
    is_sms_sent: bool = True
    is_sms_accepted: bool = True
    is_email_sent: bool = True


TROUBLES = (
    Trouble(20, line=91, is_sms_sent=False),
    Trouble(10, line=89, is_sms_sent=False, is_sms_accepted=False),
    Trouble(10, line=None, is_sms_sent=False, is_sms_accepted=False),
    Trouble(5, line=85),
    Trouble(5, line=96),
    Trouble(5, line=97),
    Trouble(20, line=0, word="bounce", is_email_sent=False),
    Trouble(5, line=0, word="twice"),
    Trouble(5, line=0, word="throttled"),
    Trouble(5, line=0, word="reorder"),
)
SMS_ERRORS = sum(each.count for each in TROUBLES if not each.is_sms_sent)
SMS_REFUSED = sum(each.count for each in TROUBLES if not each.is_sms_accepted)
EMAIL_ERRORS = sum(each.count for each in TROUBLES if not each.is_email_sent)


def roster() -> dict[str, bytes]:
    """Return the OneRoster files by name."""
    users: list[Sequence[str]] = [
        ("sourcedId", "enabledUser", "givenName", "familyName", "identifier", "username", "email", "sms",
         "agentSourcedIds", "grades", "metadata.devices"),
        *_staff(),
    ]  # fmt: skip
    roles: list[Sequence[str]] = [("sourcedId", "userSourcedId", "roleType", "role", "orgSourcedId")]
    roles += [(f"r-{each.username}", each.username, "primary", each.role, each.school) for each in STAFF]
    for number in range(1, FAMILIES + OTHER_FAMILIES + 1):
        users += _family(number)
        school = "s1" if number <= FAMILIES else "s2"
        roles.append((f"rs{number}", f"student{number}", "primary", "student", school))
        roles.append((f"rg{number}", f"guardian{number}", "primary", "guardian", "d1"))
    orgs = [("sourcedId", "name", "type", "parentSourcedId"), ("d1", "Lincoln County", "district", ""),
            ("s1", "Lincoln High", "school", "d1"), ("s2", "Ridge High", "school", "d1")]  # fmt: skip
    manifest = [("propertyName", "value"), ("manifest.version", "1.0"), ("oneroster.version", "1.2")]
    manifest += [(f"file.{name}", "bulk") for name in ("orgs", "users", "roles")]
    files: dict[str, Iterable[Sequence[str]]] = {"manifest": manifest, "orgs": orgs, "users": users, "roles": roles}
    return {f"{name}.csv": _csv(rows) for name, rows in files.items()}


def _staff() -> Iterable[Sequence[str]]:
    for number, each in enumerate(STAFF, 1):
        given, family = each.name.split()
        yield (
            each.username,
            "true",
            given,
            family,
            f"T-{number}",
            each.username,
            each.email,
            "",
            "",
            "",
            (f"phone-{each.username}"),
        )


def _family(number: int) -> Iterable[Sequence[str]]:
    """Yield the student and the guardian; the last families of the school are those of grade 12."""
    is_senior = FAMILIES - SENIORS < number <= FAMILIES
    guardian, student = f"guardian{number}", f"student{number}"
    email, mobile = _contacts(number)
    yield (
        student,
        "true",
        "Robin",
        f"Family{number:04d}",
        str(1000 + number),
        student,
        "",
        "",
        guardian,
        ("12" if is_senior else "10"),
        "",
    )
    yield guardian, "true", "Sam", f"Family{number:04d}", "", guardian, email, mobile, "", "", ""


def _contacts(number: int) -> tuple[str, str]:
    areas = data("contacts")["area_codes"]
    first = 1
    for trouble in TROUBLES:
        if first <= number < first + trouble.count:
            tag = f"+{trouble.word}" if trouble.word else ""
            # An area code of its own for each, and none that the families without trouble have.
            area = areas[100 + number]
            return f"family{number:04d}{tag}@example.org", (
                "123" if trouble.line is None else f"+1{area}555{100 + trouble.line:04d}"
            )
        first += trouble.count
    area, line = divmod(number, _RELIABLE_LINES)
    return f"family{number:04d}@example.org", f"+1{areas[area]}555{100 + line:04d}"


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
