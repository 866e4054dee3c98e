"""Rows to proto messages."""

from collections.abc import Sequence
from typing import Any

from protos.directory.v1 import directory_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.directory.domain import ALLOWED_PERMISSIONS, Role

Row = dict[str, Any]
_ROLES = {
    Role.ADMIN: types.ROLE_ADMIN,
    Role.TEACHER: types.ROLE_TEACHER,
    Role.STUDENT: types.ROLE_STUDENT,
    Role.PARENT: types.ROLE_PARENT,
}
ROLE_NAMES: dict[int, Role] = {number: name for name, number in _ROLES.items()}


def school_message(row: Row) -> pb.School:
    """Return a school. Without quiet hours both of their fields are empty; midnight is 00:00."""
    fields = ("school_id", "sourced_id", "title", "is_excluded", "grades", "version", "time_zone")
    hours = {name: f"{row[name]:%H:%M}" for name in ("quiet_from", "quiet_until") if row[name] is not None}
    return pb.School(**{name: row[name] for name in fields} | hours)


def person_message(row: Row) -> pb.Person:
    """Return a person without contacts."""
    fields = (
        "person_id",
        "sourced_id",
        "name",
        "number",
        "grade",
        "language",
        "profile_id",
        "has_account",
        "is_active",
        "title",
    )
    return pb.Person(
        role=_ROLES[Role(row["role"])], school_ids=row["school_ids"] or [], **{name: row[name] for name in fields}
    )


def profile_message(row: Row) -> pb.Profile:
    """Return a profile."""
    fields = ("profile_id", "name", "permissions", "is_district_wide", "version")
    role = Role(row["role"])
    available = sorted(ALLOWED_PERMISSIONS[role])
    return pb.Profile(role=_ROLES[role], available_permissions=available, **{name: row[name] for name in fields})


def field_message(row: Row) -> pb.SchoolField:
    """Return a field of schools."""
    fields = ("name", "is_enabled", "is_on_school_info", "viewers", "editors", "version")
    return pb.SchoolField(**{name: row[name] for name in fields})


def field_row(field: pb.SchoolField) -> Row:
    """Return what an edit of a field changes."""
    return {
        "is_enabled": field.is_enabled,
        "is_on_school_info": field.is_on_school_info,
        "viewers": sorted(set(field.viewers)),
        "editors": sorted(set(field.editors)),
    }


def module_message(row: Row) -> pb.Module:
    """Return a module's switches."""
    return pb.Module(name=row["name"], is_purchased=row["is_purchased"], is_enabled=row["is_enabled"])


def contact_message(row: Row) -> pb.Contact:
    """Return a contact."""
    return pb.Contact(
        kind=row["kind"],
        value=row["value"],
        priority=row["priority"],
        is_valid=not row["problem"],
        problem=row["problem"],
    )


def recipient_message(person: Row, contacts: Sequence[Row], school_id: str, student: Row | None) -> pb.Recipient:
    """Return a recipient with every destination; student is whom it regards."""
    usable = [each for each in contacts if not each["problem"]]
    by_kind = {
        kind: [each["value"] for each in usable if each["kind"] == kind]
        for kind in ("email", "mobile", "landline", "device")
    }
    broken = {each["kind"]: each["value"] for each in contacts if each["problem"] and not by_kind[each["kind"]]}
    is_staff = person["role"] in (Role.ADMIN, Role.TEACHER)
    return pb.Recipient(
        person_id=person["person_id"],
        name=person["name"],
        role=_ROLES[Role(person["role"])],
        school_id=school_id,
        staff_id=person["number"] if is_staff else "",
        regarding_student_id=student["person_id"] if student else "",
        regarding_student_name=student["name"] if student else "",
        student_number=student["number"] if student else "",
        language=person["language"],
        email=next(iter(by_kind["email"]), ""),
        mobile=next(iter(by_kind["mobile"]), ""),
        phones=by_kind["mobile"] + by_kind["landline"],
        devices=by_kind["device"],
        has_account=person["has_account"],
        invalid_contacts=broken,
    )
