"""What a district sets by itself, on real services: quiet hours, and what the holders of a profile may do."""

import re
from datetime import timedelta

import pytest

from protos.directory.v1 import directory_pb2 as directory
from services.kit.clock import utc_now
from services.kit.ids import new_id
from tests.integration.gateway.stack import Stack
from tests.support.eventually import eventually_sync


@pytest.mark.accepts(307)
def test_the_composer_says_until_when_quiet_hours_hold_a_text_back(stack: Stack) -> None:
    district, teacher = stack.browser("off"), stack.browser("tea")
    assert "Quiet hours" in district.get("/inbox").get_data(as_text=True)
    assert stack.browser("tea").get("/quiet-hours").status_code == 403
    # Whatever the time is now, it lies in these hours: they leave out one minute, an hour from now and later.
    local = (utc_now() + timedelta(hours=1)).astimezone(stack.gateway.zone)
    until, begins = f"{local:%H:%M}", f"{local + timedelta(minutes=1):%H:%M}"
    hours = {"school": stack.school_id, "from": begins, "until": until, "step": "save"}
    assert district.post("/quiet-hours", hours).status_code == 303
    assert f"Every day from {begins} until {until}" in district.get("/quiet-hours").get_data(as_text=True)
    message = {"key": new_id(), "subject": "Bus", "body": "Bus 4 €", "channel": ["sms", "email"], "role": "parent",
               "school": stack.school_id, "step": "preview", "source": "school"}  # fmt: skip

    def is_held() -> None:
        page = teacher.post("/compose", message).get_data(as_text=True)
        assert "SMS: quiet hours hold it back until" in page
        assert "E-mail: quiet hours" not in page
        assert "SMS: 8 characters, 1 segment for each recipient." in page

    eventually_sync(is_held, 15)
    assert district.post("/quiet-hours", {**hours, "step": "end"}).status_code == 303

    def is_free() -> None:
        assert "quiet hours hold" not in teacher.post("/compose", message).get_data(as_text=True)

    eventually_sync(is_free, 15)


def test_wrong_hours_are_refused_at_their_field(stack: Stack) -> None:
    district = stack.browser("off")
    for begins, until, text in (("", "", "Enter a time like 21:00."), ("21:00", "", "Enter a time like 21:00."),
                                ("21:00", "21:00", "Choose another time than the first.")):  # fmt: skip
        fields = {"school": stack.school_id, "from": begins, "until": until, "step": "save"}
        answer = district.post("/quiet-hours", fields)
        assert answer.status_code == 400
        assert text in answer.get_data(as_text=True)


PROFILES = "/users/profiles/permissions"


def profile_of(stack: Stack, name: str) -> directory.Profile:
    client = stack.gateway.clients.directory
    found: list[directory.Profile] = list(
        client.ListProfiles(directory.ListProfilesRequest(), metadata=stack.operator).profiles
    )
    return next(each for each in found if each.name == name)


def switches(page: str) -> dict[str, bool]:
    found = re.findall(r'name="permission" value="(\w+)"[^>]*?( checked)?>', page)
    return {name: bool(is_checked) for name, is_checked in found}


def fields(profile: directory.Profile, role: str, *permissions: str) -> dict[str, object]:
    return {"role": role, "profile": profile.profile_id, "tab": "students", "version": profile.version,
            "permission": list(permissions)}  # fmt: skip


@pytest.mark.accepts(2, 5, 245)
def test_the_four_switches_of_an_admin_profile_are_set_on_its_page(stack: Stack) -> None:
    admin, principal = stack.browser("off"), stack.browser("pri")
    assert principal.get(PROFILES).status_code == 403
    before = profile_of(stack, "Principal")
    address = f"{PROFILES}?type=menu&role=admin&profile={before.profile_id}"
    shown = switches(admin.get(address).get_data(as_text=True))
    assert list(shown) == ["communication_reports", "view_all_users", "flag_messages", "threat_alerts"]
    assert admin.post(PROFILES, fields(before, "admin", "view_all_users")).status_code == 303
    after = profile_of(stack, "Principal")
    kept = set(before.permissions) - set(shown)
    assert set(after.permissions) == kept | {"view_all_users"}, "other tabs' switches changed"
    assert principal.get("/reports/history").status_code == 403
    late = admin.post(PROFILES, fields(before, "admin", "flag_messages"))
    assert late.status_code == 409
    assert "Somebody else changed this profile meanwhile" in late.get_data(as_text=True)
    restored = fields(after, "admin", *(set(before.permissions) & set(shown)))
    assert admin.post(PROFILES, restored).status_code == 303
    assert set(profile_of(stack, "Principal").permissions) == set(before.permissions)


@pytest.mark.accepts(3, 245)
def test_a_teacher_profile_has_one_report_switch_and_refuses_the_others(stack: Stack) -> None:
    admin, teacher = stack.browser("off"), profile_of(stack, "Teacher")
    page = admin.get(f"{PROFILES}?type=menu&role=teacher&profile={teacher.profile_id}").get_data(as_text=True)
    assert switches(page) == {"communication_reports": True}
    assert "<legend>Communication Reports</legend>" in page
    forged = admin.post(PROFILES, fields(teacher, "teacher", "communication_reports", "threat_alerts"))
    assert forged.status_code == 409
    assert "A teacher profile cannot hold threat_alerts." in forged.get_data(as_text=True)
    assert profile_of(stack, "Teacher").version == teacher.version


def test_the_last_profile_that_edits_profiles_keeps_that_right(stack: Stack) -> None:
    admin, profile = stack.browser("off"), profile_of(stack, "District administrator")
    answer = admin.post(PROFILES, {**fields(profile, "admin"), "tab": "settings"})
    assert answer.status_code == 409
    assert "Nobody else can edit profiles" in answer.get_data(as_text=True)


INFO, FIELDS = "/schools/info", "/schools/fields"


def field_of(stack: Stack) -> directory.SchoolField:
    client = stack.gateway.clients.directory
    found: list[directory.SchoolField] = list(
        client.ListSchoolFields(directory.ListSchoolFieldsRequest(), metadata=stack.operator).fields
    )
    return found[0]


def field_form(stack: Stack, right: str = "edit", **changes: str) -> dict[str, str]:
    """What School Fields posts: enabled, placed, and this right for the district administrator."""
    field, profile = field_of(stack), profile_of(stack, "District administrator")
    form = {"name": field.name, "version": str(field.version), "enabled": "1", "placed": "1"}
    return {name: text for name, text in {**form, f"right-{profile.profile_id}": right, **changes}.items() if text}


@pytest.mark.accepts(224, 225, 226, 228, 235)
def test_the_field_is_enabled_placed_and_permitted_before_a_school_is_ticked(stack: Stack) -> None:
    district, school = stack.browser("off"), {"school": stack.school_id, "excluded": "1"}
    assert stack.browser("pri").get(INFO).status_code == 403
    assert stack.browser("pri").get(FIELDS).status_code == 403
    for right, changes, reason in (
        ("edit", {"enabled": ""}, "Exclude from Communication is disabled"),
        ("edit", {"placed": ""}, "Exclude from Communication is not placed on School Info"),
        ("none", {}, "Your profile does not see Exclude from Communication"),
    ):
        assert district.post(FIELDS, field_form(stack, right, **changes), page=FIELDS).status_code == 303
        page = district.get(INFO).get_data(as_text=True)
        assert reason in page
        assert 'name="excluded"' not in page
        assert district.post(INFO, school, page=FIELDS).status_code in {403, 409}
    assert district.post(FIELDS, field_form(stack, "view"), page=FIELDS).status_code == 303
    assert "Exclude from Communication: no" in district.get(INFO).get_data(as_text=True)
    late = field_form(stack)
    assert district.post(FIELDS, late, page=FIELDS).status_code == 303
    answer = district.post(FIELDS, late, page=FIELDS)
    assert answer.status_code == 409
    assert "Somebody else changed this field meanwhile" in answer.get_data(as_text=True)


@pytest.mark.accepts(225, 226, 228, 235, 309)
def test_a_ticked_school_loses_texts_and_the_district_and_gets_them_back(stack: Stack) -> None:
    district, teacher = stack.browser("off"), stack.browser("tea")
    assert district.post(FIELDS, field_form(stack), page=FIELDS).status_code == 303
    assert 'value="sms"' in teacher.get("/compose").get_data(as_text=True)
    assert district.post(INFO, {"school": stack.school_id, "excluded": "1"}, page=INFO).status_code == 303
    page = teacher.get("/compose").get_data(as_text=True)
    assert 'value="sms"' not in page
    assert "District" not in re.sub(r"(?s)^.*<main", "", page).split("</main")[0]
    assert district.post(INFO, {"school": stack.school_id}, page=INFO).status_code == 303
    assert 'value="sms"' in teacher.get("/compose").get_data(as_text=True)

    def is_logged() -> None:
        log = district.get("/audit?action=school.changed").get_data(as_text=True)
        assert "school=Lincoln High excluded=yes" in log
        assert "school=Lincoln High excluded=no" in log

    eventually_sync(is_logged)
