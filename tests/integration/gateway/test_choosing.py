"""Certain people: staff choose families and persons by name, and write to them alone."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.gateway import choosing
from tests.integration.gateway.stack import Browser, Stack

FORM: dict[str, Any] = {
    "subject": "About today", "body": "Please call me.", "audience": "people", "channel": "email", "step": "send",
}  # fmt: skip


def post(browser: Browser, **changes: Any) -> Any:
    return browser.post("/compose", {**FORM, **changes}, page="/compose")


def boxes(page: str) -> dict[str, tuple[str, bool]]:
    """Return the boxes of the page by their words: the field, and whether it is ticked."""
    part = page.split('id="people-choices"', 1)[1]
    found = re.findall(r'name="(person|student)" value="[^"]+"( checked)?> <span>(.*?)<span', part)
    return {re.sub("<[^>]+>", "", words).strip(): (name, bool(ticked)) for name, ticked, words in found}


def reached(browser: Browser, key: str, **audience: Any) -> list[tuple[str, str]]:
    """Send by REST and return whom the e-mail is for, and which student it regards."""
    body = {"idempotency_key": key, "subject": "About today", "body": "Please call me.", "channels": ["email"]}
    sent = browser.send_json("POST", "/api/v1/messages", {**body, "audience": audience}).get_json()
    rows = browser.get(f"/api/v1/entries/{sent['entries'][0]['entry_id']}/recipients").get_json()["deliveries"]
    return sorted((each["name"], each["regarding_student_name"]) for each in rows)


@pytest.mark.accepts(39)
def test_staff_find_families_and_persons_by_name_and_what_is_ticked_stays(stack: Stack) -> None:
    browser, amy, tea = stack.browser("pri"), stack.people["amy"], stack.people["tea"]
    assert boxes(browser.get("/people?q=").get_data(as_text=True)) == {}
    found = boxes(browser.get(f"/people?q=stone&person={tea}").get_data(as_text=True))
    assert found["Tom Reed"] == ("person", True)
    assert {name: found[name] for name in ("Family of Amy Stone", "Amy Stone", "Rosa Stone")} == {
        "Family of Amy Stone": ("student", False),
        "Amy Stone": ("person", False),
        "Rosa Stone": ("person", False),
    }
    preview = post(browser, student=amy, person=tea, step="preview").get_data(as_text=True)
    assert boxes(preview) == {"Family of Amy Stone": ("student", True), "Tom Reed": ("person", True)}
    assert "Nobody in your schools fits" in browser.get("/people?q=Zzz").get_data(as_text=True)


@pytest.mark.accepts(39, 243)
def test_a_family_gets_what_regards_its_student_and_a_person_gets_it_themselves(stack: Stack) -> None:
    browser, amy, tea = stack.browser("pri"), stack.people["amy"], stack.people["tea"]
    page = post(browser, student=amy, person=tea).get_data(as_text=True)
    assert "Message sent" in page
    assert "Family of Amy Stone, Tom Reed" in page
    assert reached(browser, "a family", student_ids=[amy]) == [("Rosa Stone", "Amy Stone")]
    both = reached(browser, "both", student_ids=[amy], person_ids=[amy, tea])
    assert both == [("Amy Stone", "Amy Stone"), ("Rosa Stone", "Amy Stone"), ("Tom Reed", "")]


def test_no_recipient_reads_which_other_families_a_message_was_for(stack: Stack) -> None:
    sender, amy, tea = stack.browser("pri"), stack.people["amy"], stack.people["tea"]
    assert post(sender, subject="Of two", student=amy, person=tea).status_code == 200
    to = "Family of Amy Stone, Tom Reed"
    for name in ("mum", "tea"):
        reader = stack.browser(name)
        (item,) = [each for each in reader.get("/api/v1/inbox").get_json()["items"] if each["subject"] == "Of two"]
        opened = reader.get(f"/api/v1/inbox/{item['message_id']}").get_json()["item"]
        assert (item.get("audience_summary", ""), opened.get("audience_summary", "")) == ("", "")
    assert to in sender.get("/sent").get_data(as_text=True)
    assert to in sender.get(f"/sent/{item['message_id']}").get_data(as_text=True)


def test_too_many_are_refused_and_nobody_is_cut_off(stack: Stack) -> None:
    many = [f"{n:08d}-0000-0000-0000-000000000000" for n in range(500)]
    answer = post(stack.browser("pri"), student=[*many, stack.people["amy"]], person=[*many, stack.people["tea"]])
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "Name at most 500 people and families" in page
    assert boxes(page) == {
        "Family of Amy Stone": ("student", True),
        "Tom Reed": ("person", True),
        "Family of somebody whom you do not see": ("student", True),
        "somebody whom you do not see": ("person", True),
    }
    assert page.count('name="student" value=') == page.count('name="person" value=') == 501


def test_nobody_is_offered_or_named_to_whom_the_writer_cannot_write(stack: Stack) -> None:
    district, teacher = stack.browser("off"), stack.browser("tea")
    (zoe,) = district.get("/api/v1/people/find?q=Zoe Hill").get_json()["people"]
    # Her school is excluded from communication: it writes to its own people alone.
    assert boxes(district.get("/people?q=Zoe Hill").get_data(as_text=True)) == {}
    inside = stack.browser("both")
    assert boxes(inside.get("/people?q=Zoe Hill").get_data(as_text=True)) == {}
    inside.send_json("PUT", "/api/v1/preferences/school", {"school_id": zoe["school_ids"][0]})
    assert "Family of Zoe Hill" in boxes(inside.get("/people?q=Zoe Hill").get_data(as_text=True))
    assert boxes(inside.get("/people?q=Amy Stone").get_data(as_text=True)) == {}
    for address in ("/people?student=", "/people?person=", "/compose?to="):
        assert "Zoe Hill" not in teacher.get(address + zoe["person_id"]).get_data(as_text=True)
    preview = post(teacher, student=zoe["person_id"], person=stack.people["pri"], step="preview")
    assert "Nobody is reached for them" in preview.get_data(as_text=True)
    strangers = [f"{n:08d}-0000-0000-0000-000000000000" for n in range(2)]
    refused = post(teacher, student=strangers[0], person=[strangers[1], stack.people["pri"]]).get_data(as_text=True)
    assert "Ida Cole and 2 more" in refused


def test_an_id_in_capitals_is_the_same_id(stack: Stack) -> None:
    tea = stack.people["tea"].upper()
    assert boxes(stack.browser("pri").get(f"/people?person={tea}").get_data(as_text=True)) == {
        "Tom Reed": ("person", True)
    }
    body = {"idempotency_key": "capitals", "subject": "Hi", "body": "Hi.", "channels": ["email"]}
    sent = stack.browser("amy").send_json("POST", "/api/v1/messages", {**body, "audience": {"person_ids": [tea]}})
    assert sent.status_code == 200, sent.get_data(as_text=True)


def test_people_over_rest_are_staff_unless_others_are_asked_for(stack: Stack) -> None:
    def names(query: str, who: str = "pri") -> list[str]:
        found = stack.browser(who).get(f"/api/v1/people?{query}").get_json()
        return [each["name"] for each in found.get("people", [])]

    assert (names("q=Stone"), names("q=Reed")) == ([], ["Tom Reed"])
    assert names("q=Stone&role=family") == ["Rosa Stone"]
    assert names("q=Stone&role=student") == ["Amy Stone", "Ben Stone"]
    assert len(names("q=Stone&role=all")) == 3
    assert names("q=Stone&role=all", "mum") == []
    assert stack.browser("pri").get("/api/v1/people?role=x").status_code == 400


def test_the_first_ones_are_said_to_be_the_first_when_more_may_fit(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most, is_said in ((4, False), (3, True)):
        monkeypatch.setattr(choosing, "OFFERED_AT_ONCE", most)
        page = stack.browser("pri").get("/people?q=Stone").get_data(as_text=True)
        assert ("These are the first ones" in page) is is_said


def test_whoever_writes_to_staff_alone_finds_staff_alone_and_reaches_no_family(stack: Stack) -> None:
    student, amy = stack.browser("amy"), stack.people["amy"]
    assert boxes(student.get(f"/people?q=Stone&student={amy}").get_data(as_text=True)) == {}
    body = {"idempotency_key": "mine", "subject": "Hi", "body": "Hi.", "channels": ["email"]}
    for audience in ({"student_ids": [amy]}, {"student_ids": [amy], "person_ids": [stack.people["tea"]]}):
        refused = student.send_json("POST", "/api/v1/messages", {**body, "audience": audience})
        assert (refused.status_code, refused.get_json()["reason"]) == (403, "STAFF_ONLY")


@pytest.mark.accepts(233)
def test_a_schedule_for_a_family_opens_in_the_composer_as_it_was(stack: Stack) -> None:
    browser = stack.browser("pri")
    day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    later = {"when": "later", "start_date": day, "send_time": "08:05"}
    kept = post(browser, student=stack.people["amy"], **later)
    assert kept.status_code == 303, kept.get_data(as_text=True)
    page = browser.get(f"{kept.location}/edit").get_data(as_text=True)
    assert boxes(page) == {"Family of Amy Stone": ("student", True)}
