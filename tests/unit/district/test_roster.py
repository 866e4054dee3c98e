"""The sample roster: the OneRoster form, what is in it, and that nothing in it is real."""

import re
from collections import Counter, defaultdict
from itertools import pairwise

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email

from deploy.local.district.build import build
from deploy.local.district.contacts import ContactBook
from deploy.local.district.model import District, Person
from deploy.local.district.source import data, profiles, stream
from services.directory.contacts import read_contact
from services.directory.domain import Role, check_permissions
from tests.unit.district.conftest import AS_OF, Tables

FICTIONAL = re.compile(r"\+1[2-9]\d\d55501\d\d")
RESERVED = re.compile(r"(?:[a-z]+\.)*example\.(?:org|com|net)")
# 1EdTech, OneRoster CSV Binding 1.2.1, users.csv.
USER_COLUMNS = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,"
    "sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,preferredGivenName,"
    "preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns"
)
ROLE_COLUMNS = (
    "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId"
)
ROLE_WORDS = {
    "student", "teacher", "parent", "guardian", "relative", "principal", "counselor", "siteAdministrator",
    "districtAdministrator",
}  # fmt: skip


def test_the_manifest_names_every_file_of_the_binding_and_those_present_as_bulk(tables: Tables) -> None:
    values = {row["propertyName"]: row["value"] for row in tables["manifest"]}
    assert (values["manifest.version"], values["oneroster.version"]) == ("1.0", "1.2")
    declared = {name.removeprefix("file.") for name, value in values.items() if value == "bulk"}
    assert declared == set(tables) - {"manifest"}
    assert len([name for name in values if name.startswith("file.")]) == 21


def test_columns_stand_in_the_order_of_the_binding_with_extensions_last(tables: Tables) -> None:
    for name, columns in (("users", USER_COLUMNS), ("roles", ROLE_COLUMNS)):
        header = list(tables[name][0])
        plain = [column for column in header if not column.startswith("metadata.")]
        assert ",".join(plain) == columns
        assert header[: len(plain)] == plain


def test_bulk_rows_have_no_status_and_every_id_is_unique(tables: Tables) -> None:
    for name in set(tables) - {"manifest"}:
        assert {(row["status"], row["dateLastModified"]) for row in tables[name]} == {("", "")}
        assert len({row["sourcedId"] for row in tables[name]}) == len(tables[name]) > 0


def test_every_reference_leads_to_a_row(tables: Tables) -> None:
    ids = {name: {row["sourcedId"] for row in rows} for name, rows in tables.items() if name != "manifest"}
    links = [
        ("orgs", "parentSourcedId", "orgs"), ("academicSessions", "parentSourcedId", "academicSessions"),
        ("courses", "schoolYearSourcedId", "academicSessions"), ("courses", "orgSourcedId", "orgs"),
        ("classes", "courseSourcedId", "courses"), ("classes", "schoolSourcedId", "orgs"),
        ("classes", "termSourcedIds", "academicSessions"), ("enrollments", "classSourcedId", "classes"),
        ("enrollments", "userSourcedId", "users"), ("enrollments", "schoolSourcedId", "orgs"),
        ("roles", "userSourcedId", "users"), ("roles", "orgSourcedId", "orgs"), ("demographics", "sourcedId", "users"),
        ("users", "agentSourcedIds", "users"), ("users", "primaryOrgSourcedId", "orgs"),
    ]  # fmt: skip
    for table, column, target in links:
        used = {one for row in tables[table] for one in row[column].split(",") if one}
        assert used, (table, column)
        assert used <= ids[target], (table, column)


def test_everybody_has_one_primary_role_in_each_of_their_schools(tables: Tables) -> None:
    held = Counter((row["userSourcedId"], row["orgSourcedId"]) for row in tables["roles"])
    assert set(held.values()) == {1}
    assert {row["role"] for row in tables["roles"]} == ROLE_WORDS
    assert {person for person, _ in held} == {row["sourcedId"] for row in tables["users"]}


def test_there_are_as_many_of_everything_as_the_page_says(district: District) -> None:
    assert len(district.students) == 1600
    assert len({student.grade for student in district.students}) == 13
    assert [school.is_excluded for school in district.schools] == [False, False, False, True]
    assert 1900 <= len(district.guardians) <= 2300
    assert 80 <= len(district.teachers) <= 120
    assert {"en", "es", "ht", "pt"} <= {person.language for person in district.guardians}
    spoken = Counter(person.language for person in district.guardians)
    assert min(spoken[language] for language in ("en", "es", "ht", "pt")) >= 60


def test_every_student_has_a_guardian_a_class_and_a_teacher(district: District) -> None:
    in_class = {student for section in district.sections for student in section.student_ids}
    assert in_class == {student.sourced_id for student in district.students}
    assert all(student.agents for student in district.students)
    teachers = {teacher.sourced_id for teacher in district.teachers}
    assert {section.teacher_id for section in district.sections} == teachers


def test_one_teacher_works_in_an_excluded_school_and_in_another(district: District) -> None:
    excluded = {school.sourced_id for school in district.schools if school.is_excluded}
    both = [one for one in district.teachers if len(one.school_ids) == 2]
    assert len(both) == 1
    assert excluded & set(both[0].school_ids)
    assert set(both[0].school_ids) - excluded


@pytest.mark.accepts(75)
@pytest.mark.parametrize("way", ["same record", "exactly", "same e-mail", "same phone"])
def test_brothers_and_sisters_share_contacts_in_each_of_the_ways(district: District, way: str) -> None:
    if way == "same record":
        assert sum(len(guardian.agents) > 1 for guardian in district.guardians) >= 20
        return
    by_name = defaultdict(list)
    for guardian in district.guardians:
        by_name[(guardian.name, guardian.relationship)].append(guardian)
    ways = Counter(way_shared(*pair) for namesakes in by_name.values() for pair in pairwise(namesakes))
    assert ways[way] >= 20


def way_shared(one: Person, other: Person) -> str:
    email = usable("email", one.email)
    phone = usable("mobile", one.mobile)
    has_email = email != "" and email == usable("email", other.email)
    has_phone = phone != "" and phone == usable("mobile", other.mobile)
    return {(True, True): "exactly", (True, False): "same e-mail", (False, True): "same phone"}.get(
        (has_email, has_phone), "not"
    )


def usable(kind: str, value: str) -> str:
    contact = read_contact(kind, value)
    return "" if contact.problem else contact.value


@pytest.mark.parametrize(
    ("kind", "field", "missing", "invalid"), [("email", "email", 0.08, 0.03), ("mobile", "mobile", 0.04, 0.03)]
)
def test_guardians_lack_contacts_and_have_broken_ones_at_the_documented_rates(
    district: District, kind: str, field: str, missing: float, invalid: float
) -> None:
    values = [getattr(guardian, field) for guardian in district.guardians]
    broken = [value for value in values if value and not usable(kind, value)]
    assert values.count("") / len(values) == pytest.approx(missing, abs=0.02)
    assert len(broken) / len(values) == pytest.approx(invalid, abs=0.015)


def test_every_usable_number_is_fictional_valid_and_nobody_else_has_it_by_chance(district: District) -> None:
    numbers = [usable("mobile", value) for one in district.people for value in (one.mobile, one.landline) if value]
    assert all(FICTIONAL.fullmatch(number) for number in numbers if number)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in set(numbers) if number)


def test_every_area_code_gives_valid_fictional_numbers_from_first_to_last() -> None:
    for area in data("contacts")["area_codes"]:
        for line in ("0100", "0199"):
            assert phonenumbers.is_valid_number(phonenumbers.parse(f"+1{area}555{line}")), area


@pytest.mark.parametrize("value", data("contacts")["invalid_phones"])
def test_what_stands_for_a_broken_number_is_one(value: str) -> None:
    assert usable("mobile", value) == ""


@pytest.mark.parametrize("form", data("contacts")["invalid_email_forms"])
def test_what_stands_for_a_broken_address_is_one(form: str) -> None:
    with pytest.raises(EmailNotValidError):
        validate_email(form.format(local="ana.silva"), check_deliverability=False, test_environment=True)


def test_a_number_typed_in_any_form_is_the_same_number() -> None:
    book = ContactBook(stream(1, "forms"))
    number = book.new_number(is_reliable=True)
    assert {usable("mobile", book.as_typed(number)) for _ in range(50)} == {number}


def test_no_address_could_reach_anybody(district: District) -> None:
    addresses = [person.email.lower() for person in district.people if "." in person.email.rpartition("@")[2]]
    domains = {address.rpartition("@")[2].strip() for address in addresses if "@" in address}
    assert all(RESERVED.fullmatch(domain.replace("..", ".")) for domain in domains), domains


def test_numbers_run_out_loudly() -> None:
    book = ContactBook(stream(1, "many"))
    with pytest.raises(ValueError, match="not enough fictional numbers"):
        for _ in range(40_000):
            book.new_number(is_reliable=True)


def test_names_come_in_many_shapes(district: District) -> None:
    names = [person.name for person in district.people]
    assert max(map(len, names)) >= 60
    assert min(map(len, names)) <= 6
    for sign in ("'", "-", "ñ", "ع"):
        assert any(sign in name for name in names), sign
    assert all(len(name) <= 200 for name in names)


def test_user_names_are_unique(district: District) -> None:
    assert len({person.username for person in district.people}) == len(district.people)


@pytest.mark.accepts(2, 3, 17)
def test_profiles_hold_only_what_their_role_may(district: District) -> None:
    rows = {row["profileName"]: row for row in profiles()}
    for row in rows.values():
        assert check_permissions(Role(row["role"]), row["permissions"].split(","))
    assert rows["Counsellor"]["permissions"] == "threat_alerts"
    assert {person.profile for person in district.people} == set(rows)


def test_another_seed_is_another_district_and_too_few_students_are_refused() -> None:
    assert build(21, 60, AS_OF).people != build(20, 60, AS_OF).people
    with pytest.raises(ValueError, match="50 students or more"):
        build(20, 49, AS_OF)
