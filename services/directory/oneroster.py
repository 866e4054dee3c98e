"""Reading a OneRoster 1.2 CSV set: files to checked rows, and every refused row by file and line.

The layout is 1EdTech's OneRoster 1.2 CSV binding: manifest.csv names the files, columns are found by their headers.
OneRoster has no room for some of what families need; it comes in extension columns (`metadata.…`, section 4.1 of the
binding): see EXTENSIONS. A missing file or column refuses the set; a broken row is left out and reported, and who is
known already stays as they were.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from services.directory.contacts import Contact, read_contact
from services.directory.domain import Role
from services.directory.roster import PersonRow, Roster
from services.kit.errors import InvalidArgument

REQUIRED: dict[str, tuple[str, ...]] = {
    "manifest.csv": ("propertyName", "value"),
    "orgs.csv": ("sourcedId", "name", "type"),
    # The binding wants every column. Some systems have no sms or phone; without guardians no set is right.
    "users.csv": ("sourcedId", "givenName", "familyName", "agentSourcedIds"),
    "roles.csv": ("userSourcedId", "role", "orgSourcedId"),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "classes.csv": ("sourcedId", "title", "schoolSourcedId"),
    "enrollments.csv": ("classSourcedId", "userSourcedId", "role"),
}
EXTENSIONS = {
    "orgs.csv": ("metadata.excludedFromCommunication", "metadata.timeZone"),
    "users.csv": (
        "metadata.preferredLanguage",
        "metadata.profile",
        "metadata.title",
        "metadata.relationship",
        "metadata.devices",
    ),
}
ROLES = {
    "student": Role.STUDENT,
    "teacher": Role.TEACHER,
    "parent": Role.PARENT,
    "guardian": Role.PARENT,
    "relative": Role.PARENT,
    "principal": Role.ADMIN,
    "counselor": Role.ADMIN,
    "siteAdministrator": Role.ADMIN,
    "districtAdministrator": Role.ADMIN,
    "systemAdministrator": Role.ADMIN,
    "aide": Role.TEACHER,
    "proctor": Role.TEACHER,
}
PROFILE_OF_ROLE = {
    "student": "Student",
    "teacher": "Teacher",
    "aide": "Teacher",
    "proctor": "Teacher",
    "principal": "Principal",
    "counselor": "Counsellor",
    "siteAdministrator": "Principal",
    "districtAdministrator": "District administrator",
    "systemAdministrator": "District administrator",
}
_KINDS = {Role.STUDENT: 0, Role.ADMIN: 1, Role.TEACHER: 1, Role.PARENT: 2}
"""Which of several primary roles counts: a student who helps out stays screened, staff with a child here stay staff."""
_CONTACT_COLUMNS = (("email", "email"), ("sms", "mobile"), ("phone", "landline"))


def read_roster(files: Mapping[str, bytes]) -> Roster:
    """Return the checked set. InvalidArgument when a file or a column is missing, or a file is no UTF-8 text."""
    _check_files(files)
    roster = Roster()
    for line, row in _rows(files, "orgs.csv"):
        _read_org(roster, line, row)
    roster.refused_schools -= roster.schools.keys()
    roles = _read_roles(roster, files)
    for line, row in _rows(files, "users.csv"):
        _read_user(roster, line, row, roles)
    roster.refused_people -= roster.people.keys()
    _check_agents(roster)
    for line, row in _rows(files, "classes.csv"):
        _read_class(roster, line, row)
    for line, row in _rows(files, "enrollments.csv"):
        _read_enrollment(roster, line, row)
    return roster


def _check_files(files: Mapping[str, bytes]) -> None:
    missing = [(f"/{name}", "The file is missing from the set.") for name in REQUIRED if name not in files]
    if missing:
        raise InvalidArgument(
            "ROSTER_FILE_MISSING", "A file of the roster is missing; nothing was changed.", violations=missing
        )
    wrong = []
    for name, columns in {**REQUIRED, **OPTIONAL}.items():
        if name in files:
            _, header = next(_cells(name, files[name]), (0, []))
            wrong += [(f"/{name}/{column}", "The column is missing.") for column in columns if column not in header]
    if wrong:
        raise InvalidArgument(
            "ROSTER_COLUMN_MISSING", "A column of the roster is missing; nothing was changed.", violations=wrong
        )
    _check_manifest(files)


def _check_manifest(files: Mapping[str, bytes]) -> None:
    for _, row in _rows(files, "manifest.csv"):
        name = f"{(row.get('propertyName') or '').removeprefix('file.')}.csv"
        if name not in {**REQUIRED, **OPTIONAL}:
            continue
        if row.get("value") == "delta":
            detail = [(f"/{name}", "The manifest says that the file has changes alone (delta).")]
            raise InvalidArgument(
                "ROSTER_DELTA", "A roster comes whole (bulk), or who is not listed would leave.", violations=detail
            )
        if row.get("value") == "bulk" and name not in files:
            detail = [(f"/{name}", "The manifest names the file, and it is missing.")]
            raise InvalidArgument(
                "ROSTER_FILE_MISSING", "A file of the roster is missing; nothing was changed.", violations=detail
            )


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise _no_text(name, f"Byte {problem.start} is not UTF-8.") from problem
    if "\0" in text:
        # The database can store none, and says so with the person's data.
        line = len(re.findall(r"\r\n|\r|\n", text[: text.index("\0")])) + 1
        raise _no_text(name, f"There is a zero character in line {line}.")
    return text


def _no_text(name: str, detail: str) -> InvalidArgument:
    return InvalidArgument(
        "ROSTER_NOT_TEXT", "A file of the roster is not UTF-8 text.", violations=[(f"/{name}", detail)]
    )


def _rows(files: Mapping[str, bytes], name: str) -> Iterator[tuple[int, dict[str, str]]]:
    if name in files:
        rows = _cells(name, files[name])
        _, header = next(rows, (0, []))
        for line, cells in rows:
            if cells:
                yield line, dict(zip_longest(header, (each.strip() for each in cells[: len(header)]), fillvalue=""))


def _cells(name: str, content: bytes) -> Iterator[tuple[int, list[str]]]:
    # Strict, or an open quote would swallow the rows behind it up to the next quote, as if those people had left.
    reader, line = csv.reader(io.StringIO(_text(name, content), newline=""), strict=True), 1
    try:
        for cells in reader:
            yield reader.line_num, cells
            line = reader.line_num + 1
    except csv.Error as problem:
        detail = (
            f"From line {line} on it cannot be read: a quote is open there, or something stands behind a closed one."
        )
        text = "A file of the roster is not CSV that can be read."
        raise InvalidArgument("ROSTER_NOT_CSV", text, violations=[(f"/{name}", detail)]) from problem


def _is_active(row: Mapping[str, str]) -> bool:
    return row.get("status", "") in {"", "active"}


def _told_flag(text: str) -> bool | None:
    """Return what a roster says of a flag; None when it says nothing, and leaves it as it is."""
    return text.lower() == "true" if text else None


def _read_org(roster: Roster, line: int, row: Mapping[str, str]) -> None:
    if row["type"] != "school":
        return
    if not row["sourcedId"] or not row["name"] or len(row["name"]) > 200:
        roster.refuse("orgs.csv", line, "name", "A school needs a sourcedId and a name of at most 200 characters.")
        if _is_active(row):
            roster.refused_schools.add(row["sourcedId"])
        return
    roster.schools[row["sourcedId"]] = {
        "sourced_id": row["sourcedId"],
        "title": row["name"],
        "is_excluded": _told_flag(row.get("metadata.excludedFromCommunication", "")),
        "time_zone": row.get("metadata.timeZone") or "",
        "is_active": _is_active(row),
    }


def _read_roles(roster: Roster, files: Mapping[str, bytes]) -> dict[str, list[tuple[str, str]]]:
    """Return (role, org) of each person, of one kind alone; empty for one whose only rows are refused."""
    roles: dict[str, list[tuple[bool, str, str]]] = {}
    for line, row in _rows(files, "roles.csv"):
        if row["role"] not in ROLES:
            roster.refuse("roles.csv", line, "role", f"There is no role {row['role'][:40]!r} in OneRoster 1.2.")
            roles.setdefault(row["userSourcedId"], [])
        elif _is_active(row):
            is_primary = row.get("roleType", "primary") == "primary"
            roles.setdefault(row["userSourcedId"], []).append((is_primary, row["role"], row["orgSourcedId"]))
    return {person: _of_one_kind(rows) for person, rows in roles.items()}


def _of_one_kind(rows: list[tuple[bool, str, str]]) -> list[tuple[str, str]]:
    # Roles are primary within an org, so there may be several such rows, and the kinds decide, not their order.
    ordered = sorted(rows, key=lambda row: (not row[0], _KINDS[ROLES[row[1]]]))
    return [(role, org) for _, role, org in ordered if _KINDS[ROLES[role]] == _KINDS[ROLES[ordered[0][1]]]]


def _read_user(roster: Roster, line: int, row: Mapping[str, str], roles: Mapping[str, list[tuple[str, str]]]) -> None:
    sourced_id = row["sourcedId"]
    given, family = (
        row.get("preferredGivenName") or row["givenName"],
        row.get("preferredFamilyName") or row["familyName"],
    )
    name = f"{given} {family}".strip()
    held = roles.get(sourced_id, [])
    words = {
        "identifier": row.get("identifier", ""),
        "grades": row.get("grades", "").split(",")[0].strip(),
        "metadata.preferredLanguage": row.get("metadata.preferredLanguage") or "en",
    }
    for column, wrong, detail in (
        ("sourcedId", not sourced_id or len(sourced_id) > 255, "A person needs a sourcedId of at most 255 characters."),
        ("sourcedId", sourced_id in roster.people, "The sourcedId stands on an earlier line too."),
        ("familyName", not name or len(name) > 200, "A person needs a name of at most 200 characters."),
        ("sourcedId", not held, "No row of roles.csv gives this person a role."),
        # The queue would refuse a whole message for one of its recipients.
        *((each, len(text) > 200, f"{each} holds at most 200 characters.") for each, text in words.items()),
    ):
        if wrong:
            roster.refuse("users.csv", line, column, detail)
            # Who has no role any more left, which is how some systems say it.
            if sourced_id in roles and _is_active(row):
                roster.refused_people.add(sourced_id)
            return
    role_name = held[0][0]
    roster.people[sourced_id] = PersonRow(
        sourced_id=sourced_id,
        name=name,
        role=ROLES[role_name],
        profile=row.get("metadata.profile") or PROFILE_OF_ROLE.get(role_name, "Parent"),
        number=words["identifier"],
        grade=words["grades"],
        language=words["metadata.preferredLanguage"],
        title=row.get("metadata.title", ""),
        relationship=row.get("metadata.relationship") or "guardian",
        has_account=bool(row.get("username")) and row.get("enabledUser", "true").lower() == "true",
        is_active=_is_active(row),
        schools=[org for _, org in dict.fromkeys(held) if roster.knows_school(org)],
        contacts=_read_contacts(row),
        agents=[each.strip() for each in row.get("agentSourcedIds", "").split(",") if each.strip()],
        line=line,
    )


def _read_contacts(row: Mapping[str, str]) -> list[Contact]:
    found = [read_contact(kind, row[column]) for column, kind in _CONTACT_COLUMNS if row.get(column)]
    return found + [read_contact("device", token) for token in row.get("metadata.devices", "").split() if token]


def _check_agents(roster: Roster) -> None:
    for person in roster.people.values():
        if any(agent not in roster.people for agent in person.agents):
            roster.refuse(
                "users.csv", person.line, "agentSourcedIds", "A guardian named here has no usable row of their own."
            )
        if person.role is not Role.STUDENT:
            person.agents = []


def _read_class(roster: Roster, line: int, row: Mapping[str, str]) -> None:
    if not roster.knows_school(row["schoolSourcedId"]):
        roster.refuse("classes.csv", line, "schoolSourcedId", "The school of this class has no usable row.")
    elif _is_active(row):
        roster.classes[row["sourcedId"]] = (row["title"][:200], row["schoolSourcedId"])


def _read_enrollment(roster: Roster, line: int, row: Mapping[str, str]) -> None:
    if row["classSourcedId"] not in roster.classes or row["userSourcedId"] not in roster.people:
        roster.refuse("enrollments.csv", line, "classSourcedId", "The class or the person has no usable row.")
    elif row["role"] in {"student", "teacher"} and _is_active(row):
        key = row["classSourcedId"], row["userSourcedId"]
        # Somebody who both teaches and attends a class counts as its teacher.
        roster.enrollments[key] = "teacher" if roster.enrollments.get(key) == "teacher" else row["role"]
