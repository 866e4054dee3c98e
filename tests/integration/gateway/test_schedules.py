"""Writing a message that goes out later: shown before it is kept, edited, paused, ended; on real services."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import psycopg
import pytest
from python_calamine import CalamineWorkbook

from protos.directory.v1 import directory_pb2 as directory
from protos.directory.v1.directory_pb2 import Audience
from protos.queue.v1.queue_pb2 import MessageHeader
from services.kit.clock import utc_now
from services.kit.ids import new_id
from tests.integration.gateway.filled import filled
from tests.integration.gateway.stack import Browser, Stack, switch_call_out
from tests.integration.gateway.telling import tell_paused
from tests.integration.gateway.test_attendance_editing import exclude
from tests.integration.gateway.test_district_settings import profile_of
from tests.support.eventually import eventually_sync

DAY = (utc_now() + timedelta(days=40)).date()
LATER: dict[str, Any] = {"when": "later", "start_date": DAY.isoformat(), "send_time": "08:05"}
DAILY = {**LATER, "when": "repeat", "every": "daily"}
_SENDING = re.compile(r"<li>(\w+, \d+ \w+ \d{4}, [\d:]+ [ap]m)")


def form(stack: Stack, **fields: Any) -> dict[str, Any]:
    plain = {"key": new_id(), "subject": "Bus change", "body": "Bus 4 leaves early.", "channel": "email",
             "role": "parent", "school": stack.school_id, "step": "preview", "source": "school"}  # fmt: skip
    return {**plain, **fields}


def scheduled(browser: Browser, fields: dict[str, Any]) -> str:
    answer = browser.post("/compose", {**fields, "step": "send"})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return answer.headers["Location"]


@pytest.mark.accepts(54, 142)
def test_a_message_is_shown_kept_edited_paused_and_ended(stack: Stack) -> None:
    browser = stack.browser("tea")
    fields = form(stack, **DAILY, no_use_after=f"{DAY}T12:30")
    preview = browser.post("/compose", fields).get_data(as_text=True)
    times = [f"{DAY + timedelta(days=n):%A}, {(DAY + timedelta(days=n)).day}" for n in range(5)]
    found = _SENDING.findall(preview)[:5]
    assert [each.rsplit(" ", 4)[0] for each in found] == times
    assert all(each.endswith("8:05 am") for each in found)
    assert "New York time" in preview
    place = scheduled(browser, fields)
    assert scheduled(browser, fields) == place
    shown = browser.get(place).get_data(as_text=True)
    assert "Bus 4 leaves early." in shown
    assert "Every day" in shown
    assert re.search(r"No use after</dt><dd>[^<]* 12:30 pm; each later message for as long", shown)
    assert len(_SENDING.findall(shown)) == 5
    edit = browser.get(f"{place}/edit").get_data(as_text=True)
    schedule_id = place.rpartition("/")[2]
    assert 'value="repeat" checked' in edit
    assert f'name="no_use_after" value="{DAY}T12:30"' in edit
    changed = form(stack, **DAILY, schedule_id=schedule_id, version=1, subject="Bus 4")
    changed |= {"every": "weekly", "day": "TU"}
    assert scheduled(browser, changed) == place
    shown = browser.get(place).get_data(as_text=True)
    assert "Every Tuesday" in shown
    assert browser.post("/compose", {**changed, "step": "send"}).status_code == 409
    assert browser.post(f"{place}/pause").status_code == 303
    assert "Paused" in browser.get(place).get_data(as_text=True)
    assert browser.post(f"{place}/resume").status_code == 303
    assert browser.post(f"{place}/cancel").status_code == 303
    assert "Cancelled" in browser.get(place).get_data(as_text=True)
    assert browser.get(f"{place}/edit").status_code == 404
    assert browser.post(f"{place}/resume").status_code == 409


def test_no_use_after_is_of_the_next_message_of_a_series_that_has_begun(stack: Stack) -> None:
    browser = stack.browser("tea")
    begun = {**DAILY, "start_date": (utc_now() - timedelta(days=40)).date().isoformat()}
    # Eight in the morning comes within a day; of the first date it is too late by far.
    until = (utc_now() + timedelta(days=2)).strftime("%Y-%m-%dT23:30")
    place = scheduled(browser, form(stack, **begun, no_use_after=until))
    assert f'name="no_use_after" value="{until}"' in browser.get(f"{place}/edit").get_data(as_text=True)
    edit = {**begun, "schedule_id": place.rpartition("/")[2], "version": 1}
    late = browser.post("/compose", form(stack, **edit, no_use_after=f"{DAY}T12:30"))
    assert "Choose a time after the next sending" in late.get_data(as_text=True)
    assert scheduled(browser, form(stack, **edit, no_use_after=until)) == place


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({**LATER, "start_date": "2020-01-01"}, "Choose a date and time that are not past."),
        ({**LATER, "start_date": ""}, "Choose a date."),
        ({**DAILY, "every": "weekly"}, "Choose at least one day."),
        ({**DAILY, "every": "weekly", "day": "MO", "weeks": "0"}, "Enter a number of weeks from 1 to 52."),
        ({**DAILY, "end_date": "2020-01-01"}, "The end is before the start."),
        ({**LATER, "send_time": "noon"}, "Enter a time like 08:30."),
        ({**DAILY, "every": "kept", "kept_rule": "FREQ=SECONDLY"}, "FREQ does not take this value."),
    ],
)
def test_a_time_that_cannot_be_is_said_at_its_field(stack: Stack, fields: dict[str, Any], sentence: str) -> None:
    browser = stack.browser("tea")
    for step in ("preview", "send"):
        answer = browser.post("/compose", form(stack, **fields) | {"step": step})
        page = answer.get_data(as_text=True)
        assert answer.status_code == 400
        assert sentence in page
        assert "Bus 4 leaves early." in page
        named = re.search(f'id="(error-timing-[a-z_]+)"[^§]{{0,60}}{re.escape(sentence)}', page)
        assert named
        assert f'aria-describedby="{named[1]}"' in page


def test_the_next_sendings_follow_the_editor(stack: Stack) -> None:
    browser = stack.browser("tea")
    part = browser.get("/compose/sendings", query_string=DAILY).get_data(as_text=True)
    assert len(_SENDING.findall(part)) == 5
    assert "Choose a date." in browser.get("/compose/sendings?when=later&send_time=08:00").get_data(as_text=True)
    assert _SENDING.findall(browser.get("/compose/sendings?when=now").get_data(as_text=True)) == []
    assert stack.browser("mum").get("/compose/sendings").status_code == 403


def test_an_edited_series_keeps_the_schools_and_grades_that_its_editor_does_not_see(stack: Stack) -> None:
    browser = stack.browser("tea")
    schools = stack.browser("off").get("/api/v1/schools").get_json()["schools"]
    ridge = next(each["school_id"] for each in schools if each["title"] == "Ridge High")
    place = scheduled(browser, form(stack, **DAILY, audience="directory", school=ridge, grade="77"))
    page = browser.get(f"{place}/edit").get_data(as_text=True)
    assert f'value="{ridge}" checked> a school that you do not see' in page
    rendered = filled(page, "/compose")
    preview = browser.post("/compose", {**rendered, "step": "preview"}).get_data(as_text=True)
    assert "<strong>0 recipients</strong>" in preview
    assert scheduled(browser, {**rendered, "subject": "Later"}) == place
    again = filled(browser.get(f"{place}/edit").get_data(as_text=True), "/compose")
    assert (again["school"], again["grade"], again["subject"]) == ([ridge], ["77"], ["Later"])


def test_a_form_that_was_scheduled_says_so_of_another_message_and_keeps_what_is_written(stack: Stack) -> None:
    browser = stack.browser("tea")
    fields = form(stack, **LATER)
    place = scheduled(browser, fields)
    for when in ("later", "now"):
        other = browser.post("/compose", {**fields, "subject": "Other", "step": "send", "when": when})
        page = other.get_data(as_text=True)
        assert other.status_code == 409
        assert "A message from this form is scheduled already, and stays so." in page
        assert f'<a href="{place}"' in page
        assert "went out" not in page.split("<form")[0]
        again = filled(page, "/compose")
        assert (again["subject"], again["key"] == [fields["key"]]) == (["Other"], False)
    assert scheduled(browser, {**again, "when": "later"}) != place


def test_a_form_that_was_sent_says_so_when_it_is_scheduled_afterwards(stack: Stack) -> None:
    browser = stack.browser("tea")
    fields = form(stack, step="send")
    assert browser.post("/compose", fields).status_code == 200
    page = browser.post("/compose", {**fields, **LATER}).get_data(as_text=True)
    assert "A message went out from this form before." in page


@pytest.mark.accepts(13)
def test_an_edited_series_loses_no_text_because_texts_are_off(stack: Stack) -> None:
    browser = stack.browser("tea")
    place = scheduled(browser, form(stack, **DAILY, channel=["email", "sms"], text_sms="Bus 4!", language="es"))
    switch_call_out(stack, is_on=False)
    try:
        page = browser.get(f"{place}/edit").get_data(as_text=True)
        assert "not available now" in page
        rendered = filled(page, "/compose")

        def refused() -> str:
            answer = browser.post("/compose", {**rendered, "step": "preview"}).get_data(as_text=True)
            assert "The Call Out System is off" in answer
            return answer

        again = filled(eventually_sync(refused), "/compose")
        assert 'name="channel" value="sms"' not in browser.get("/compose").get_data(as_text=True)
    finally:
        switch_call_out(stack, is_on=True)
    assert (again["channel"], again["text_sms"], again["language"]) == (["email", "sms"], ["Bus 4!"], ["es"])


def test_a_way_that_is_off_says_so_where_it_is_chosen_and_an_emergency_ends_on_purpose_alone(stack: Stack) -> None:
    browser = stack.browser("pri")
    ways = {"channel": ["email", "sms", "tts"], "text_sms": "Bus 4!", "emergency": "1"}
    fields = form(stack, **DAILY, **ways)
    place = eventually_sync(lambda: scheduled(browser, fields))
    switch_call_out(stack, is_on=False)
    try:
        page = browser.get(f"{place}/edit").get_data(as_text=True)
        assert page.count("not available now: untick it to send or keep this") == 2
        unticked = {**filled(page, "/compose"), "channel": ["email"], "step": "preview"}
        page = browser.post("/compose", unticked).get_data(as_text=True)
        again = filled(page, "/compose")
        assert "An emergency goes out as a call" in page
        assert "untick it" not in page
        assert page.count("not available now; its text is kept") == 1
        assert (again["channel"], again["text_sms"], again["emergency"]) == (["email"], ["Bus 4!"], ["1"])
        del again["emergency"]
        preview = browser.post("/compose", {**again, "step": "preview"})
        assert "Before it goes" in preview.get_data(as_text=True)
    finally:
        switch_call_out(stack, is_on=True)


def work_in(browser: Browser, school_id: str) -> None:
    answer = browser.send_json("PUT", "/api/v1/preferences/school", {"school_id": school_id})
    assert answer.status_code == 200, answer.get_data(as_text=True)


def kept_from(stack: Stack, place: str) -> tuple[str, str, str]:
    """Return from which school a schedule is, in whose name it speaks, and as which its audience is looked up."""
    query = "SELECT sender_school_id::text, header, audience FROM schedules WHERE schedule_id = %s"
    with psycopg.connect(stack.environments["queue"]["DATABASE_URL"]) as connection:
        row = connection.execute(query, [place.rpartition("/")[2]]).fetchone()
    assert row
    return row[0], MessageHeader.FromString(row[1]).from_title, Audience.FromString(row[2]).working_school_id


@pytest.mark.accepts(227, 232)
@pytest.mark.parametrize(("at", "to"), [("Lincoln High", "Ridge High"), ("Ridge High", "Lincoln High")])
def test_an_edited_series_stays_of_its_school_whichever_one_its_writer_works_in_now(
    stack: Stack, at: str, to: str
) -> None:
    writer, is_open = stack.browser("both"), at == "Lincoln High"
    ids = {each["title"]: each["school_id"] for each in writer.get("/api/v1/schools").get_json()["schools"]}
    work_in(writer, ids[at])
    place = scheduled(writer, form(stack, **DAILY, role="student", school=[], channel=["email", "push"]))
    assert kept_from(stack, place) == (ids[at], at, ids[at])
    work_in(writer, ids[to])
    page = writer.get(f"{place}/edit").get_data(as_text=True)
    assert f"From {at}, whichever school you are working in." in page
    # Texts and lists are not for a school that is excluded from communication.
    assert ('name="channel" value="sms"' in page, 'name="audience" value="list"' in page) == (is_open, is_open)
    rendered = filled(page, "/compose")
    preview = writer.post("/compose", {**rendered, "step": "preview"}).get_data(as_text=True)
    assert f"<strong>{'2 recipients' if is_open else '1 recipient'}</strong>" in preview
    found = {"q": "Stone", "from_school": ids[at]}
    assert ("Amy Stone" in writer.get("/people", query_string=found).get_data(as_text=True)) is is_open
    assert scheduled(writer, {**rendered, "subject": "Later"}) == place
    assert kept_from(stack, place) == (ids[at], at, ids[at])


def test_a_page_that_answers_a_form_leads_back_to_no_address_that_takes_forms_alone(stack: Stack) -> None:
    answer = stack.browser("both").post(f"/schedules/{new_id()}/pause")
    page = answer.get_data(as_text=True)
    assert (answer.status_code, filled(page, "/preferences/school")["next"]) == (404, ["/"])


@pytest.fixture
def spokeswoman(stack: Stack) -> Iterator[Browser]:
    """The principal while she may send as the district."""
    stub = stack.gateway.clients.directory

    def set_right(change: Callable[[Any], None]) -> None:
        profile = profile_of(stack, "Principal")
        change(profile.permissions)
        wanted = directory.UpdateProfileRequest(
            profile_id=profile.profile_id, permissions=profile.permissions, version=profile.version
        )
        stub.UpdateProfile(wanted, metadata=stack.operator)

    set_right(lambda held: held.append("send_as_district"))
    yield stack.browser("pri")
    set_right(lambda held: held.remove("send_as_district"))


@pytest.mark.accepts(228, 235)
def test_a_series_of_the_district_stays_one_when_it_is_edited_while_its_school_is_excluded(
    stack: Stack, spokeswoman: Browser
) -> None:
    fields = form(stack, **DAILY, source="district")
    place = eventually_sync(lambda: scheduled(spokeswoman, fields))
    exclude(stack, stack.school_id, "1")
    try:
        page = spokeswoman.get(f"{place}/edit").get_data(as_text=True)
        rendered = filled(page, "/compose")
        assert (rendered["source"], "Send as district" in page) == (["district"], False)
        assert "Lincoln High speaks for itself while it is excluded" in page
        assert scheduled(spokeswoman, {**rendered, "subject": "Later"}) == place
    finally:
        exclude(stack, stack.school_id, "")
    page = spokeswoman.get(f"{place}/edit").get_data(as_text=True)
    assert re.search('value="district" checked> Send as district', page)
    assert 'value="Later"' in page


def test_who_may_not_send_as_the_district_any_more_says_so_of_a_series_themselves(
    stack: Stack,
) -> None:
    fields = form(stack, **DAILY, source="district")
    browser = stack.browser("pri")
    refused = browser.post("/compose", fields)
    page = refused.get_data(as_text=True)
    assert (refused.status_code, "does not allow sending as the district" in page) == (403, True)
    rendered = filled(page, "/compose")
    assert (rendered["source"], rendered["subject"]) == (["district"], ["Bus change"])
    assert browser.post("/compose", {**rendered, "source": "school", "step": "preview"}).status_code == 200


def test_another_persons_schedule_is_not_there(stack: Stack) -> None:
    place = scheduled(stack.browser("tea"), form(stack, **LATER))
    other = stack.browser("both")
    assert other.get(place).status_code == 404
    assert other.get(f"{place}/edit").status_code == 404
    assert other.post(f"{place}/cancel").status_code == 404
    assert stack.browser("pri").get(place).status_code == 200


@pytest.mark.accepts(132, 133, 136, 137, 141, 142)
def test_the_tab_lists_what_is_scheduled_and_follows_its_changes(stack: Stack) -> None:
    browser = stack.browser("pri")
    place = scheduled(browser, form(stack, **DAILY, subject="Tab"))
    title = "Open the schedule: Tab"

    def page(**query: str) -> str:
        return browser.get("/reports/scheduled", query_string=query).get_data(as_text=True)

    def is_listed() -> str:
        found = page()
        assert title in found
        return found

    found = eventually_sync(is_listed)
    assert "Every day" in found
    assert "Ida Cole" in found
    assert "8:05 am" in found
    for name in ('name="type"', 'name="school"', 'name="from_time"'):
        assert name not in found
    assert title not in page(searched="1", end="2020-01-01")
    assert "Enter a date like" in page(start="soon")
    for column in ("start_date", "sent_time", "recursion", "next_send_date", "end_date", "created_by", "type"):
        assert title in page(sort=column, order="desc")
    rule = "rule_column=created_by&rule_operator=contains&rule_value="
    assert "Nothing is scheduled" in browser.get(f"/reports/scheduled?{rule}nobody").get_data(as_text=True)
    book = CalamineWorkbook.from_filelike(BytesIO(browser.get(f"/reports/scheduled/excel?{rule}ida").get_data()))
    cells = next(row for row in book.get_sheet_by_index(0).to_python() if "Ida Cole" in row)
    assert cells[1:3] == ["8:05 am", "Every day"]
    browser.post(f"{place}/pause")

    def is_paused() -> None:
        assert '<span class="quiet">Paused</span>' in page()

    eventually_sync(is_paused)
    browser.post(f"{place}/cancel")

    def is_gone() -> None:
        assert title not in page()

    eventually_sync(is_gone)
    assert stack.browser("mum").get("/reports/scheduled").status_code == 403


@pytest.mark.accepts(138)
def test_the_tab_and_its_workbook_say_why_a_schedule_paused_by_itself(stack: Stack) -> None:
    why = "The Call Out System is off: texts and calls cannot be sent."
    tell_paused(stack, "tea", why)
    browser = stack.browser("tea")

    def is_said() -> None:
        page = browser.get("/reports/scheduled").get_data(as_text=True)
        assert f'<span class="quiet">Paused: {why}</span>' in page

    eventually_sync(is_said)
    book = CalamineWorkbook.from_filelike(BytesIO(browser.get("/reports/scheduled/excel").get_data()))
    assert f"Paused: {why}" in [cell for row in book.get_sheet_by_index(0).to_python() for cell in row]
