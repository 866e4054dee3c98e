"""Writes a district as a OneRoster 1.2 CSV set.

The columns are those of 1EdTech's "OneRoster CSV Binding 1.2.1", in its order; what it has no room for stands in
`metadata.*` columns to the right of them. A bulk file leaves `status` and `dateLastModified` empty.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.local.district.model import District, Person, School
from deploy.local.district.source import data, identifier

Row = Mapping[str, str]


def write(district: District, folder: Path) -> None:
    """Write manifest.csv and the data files into a folder, which is made when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Iterable[Row]] = {
        "academicSessions": _sessions(district), "classes": _classes(district), "courses": _courses(district),
        "demographics": _demographics(district), "enrollments": _enrollments(district), "orgs": _orgs(district),
        "roles": _roles(district), "users": [_user(one, district) for one in district.people],
    }  # fmt: skip
    columns = data("oneroster_columns")
    for name, rows in tables.items():
        _write_file(folder / f"{name}.csv", ["sourcedId", "status", "dateLastModified", *columns[name]], rows)
    _write_file(folder / "manifest.csv", ["propertyName", "value"], _manifest(district, tables))


def _write_file(path: Path, columns: list[str], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


def _manifest(district: District, present: Mapping[str, object]) -> list[Row]:
    values = {"manifest.version": "1.0", "oneroster.version": "1.2"}
    for name in data("oneroster_columns")["manifest_files"]:
        values[f"file.{name}"] = "bulk" if name in present else "absent"
    values |= {"source.systemName": f"{district.name} SIS", "source.systemCode": district.identifier}
    return [{"propertyName": name, "value": value} for name, value in values.items()]


def _list(values: Iterable[str]) -> str:
    return ",".join(values)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _orgs(district: District) -> list[Row]:
    rows: list[Row] = [
        {"sourcedId": district.sourced_id, "name": district.name, "type": "district",
         "identifier": district.identifier, "metadata.timeZone": district.time_zone,
         "metadata.excludedFromCommunication": "false"}
    ]  # fmt: skip
    rows += [_school(one, district) for one in district.schools]
    return rows


def _school(school: School, district: District) -> Row:
    return {
        "sourcedId": school.sourced_id, "name": school.name, "type": "school", "identifier": school.identifier,
        "parentSourcedId": district.sourced_id, "metadata.excludedFromCommunication": _flag(school.is_excluded),
        "metadata.grades": _list(school.grades), "metadata.timeZone": district.time_zone,
    }  # fmt: skip


def _sessions(district: District) -> list[Row]:
    return [
        {"sourcedId": one.sourced_id, "title": one.title, "type": one.kind, "startDate": one.start.isoformat(),
         "endDate": one.end.isoformat(), "parentSourcedId": one.parent_id, "schoolYear": str(one.school_year)}
        for one in district.sessions
    ]  # fmt: skip


def _courses(district: District) -> list[Row]:
    return [
        {"sourcedId": one.sourced_id, "schoolYearSourcedId": district.sessions[0].sourced_id, "title": one.title,
         "courseCode": one.code, "grades": one.grade, "orgSourcedId": district.sourced_id, "subjects": one.subject,
         "subjectCodes": one.subject_code}
        for one in district.courses
    ]  # fmt: skip


def _classes(district: District) -> list[Row]:
    terms = _list(one.sourced_id for one in district.sessions if one.kind == "semester")
    return [
        {"sourcedId": one.sourced_id, "title": one.title, "grades": one.grade, "courseSourcedId": one.course_id,
         "classCode": one.code, "classType": one.kind, "location": one.location, "schoolSourcedId": one.school_id,
         "termSourcedIds": terms, "subjects": one.subject, "subjectCodes": one.subject_code, "periods": one.period}
        for one in district.sections
    ]  # fmt: skip


def _enrollments(district: District) -> Iterable[Row]:
    begin, end = district.sessions[1].start.isoformat(), district.sessions[2].end.isoformat()
    for one in district.sections:
        for person, role in [(one.teacher_id, "teacher"), *((student, "student") for student in one.student_ids)]:
            yield {
                "sourcedId": identifier(district.seed, "enrollment", f"{one.sourced_id}/{person}"),
                "classSourcedId": one.sourced_id, "schoolSourcedId": one.school_id, "userSourcedId": person,
                "role": role, "primary": _flag(role == "teacher"), "beginDate": begin, "endDate": end,
            }  # fmt: skip


def _roles(district: District) -> Iterable[Row]:
    for person in district.people:
        for org in person.school_ids:
            # The binding wants exactly one primary role of a person in each organisation.
            yield {
                "sourcedId": identifier(district.seed, "role", f"{person.sourced_id}/{org}"),
                "userSourcedId": person.sourced_id, "roleType": "primary", "role": person.role, "orgSourcedId": org,
            }  # fmt: skip


def _demographics(district: District) -> Iterable[Row]:
    for one in district.students:
        yield {"sourcedId": one.sourced_id, "birthDate": one.birth_date.isoformat() if one.birth_date else ""}


def _user(person: Person, district: District) -> Row:
    is_staff = person.profile not in ("Student", "Parent")
    is_student = person.role == "student"
    return {
        "sourcedId": person.sourced_id, "enabledUser": _flag(person.has_account), "username": person.username,
        "userIds": f"{{LCPS:{person.number}}}" if person.number else "", "givenName": person.given,
        "familyName": person.family, "middleName": person.middle, "identifier": person.number, "email": person.email,
        "sms": person.mobile, "phone": person.landline, "grades": person.grade, "userMasterIdentifier": person.number,
        "agentSourcedIds": _list(one.sourced_id for one in person.agents),
        "preferredGivenName": person.preferred_given,
        "primaryOrgSourcedId": person.school_ids[0] if person.school_ids else district.sourced_id,
        "metadata.preferredLanguage": person.language, "metadata.profile": person.profile,
        "metadata.staffId": person.number if is_staff else "", "metadata.title": person.title,
        "metadata.relationship": person.relationship, "metadata.devices": " ".join(person.devices),
        "metadata.agentPriorities": _list(str(one.priority) for one in person.agents) if is_student else "",
        **{f"metadata.consent{way.title()}": answer for way, answer in person.consent.items()},
    }  # fmt: skip
