"""What a student reads whose message was withheld for self-harm (statement 176); on real services."""

import pytest

from tests.integration.gateway.policy_pages import DANGER, send, write
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.integration.gateway.stack import Browser, Stack
from tests.support.eventually import eventually_sync

SERVICES = (*USUAL, "moderation")
NOTICE = "You matter. Call or text 988, day and night."


def sent_by(browser: Browser, subject: str) -> str:
    """Return the page of a message that the person sent."""
    items = browser.get("/api/v1/sent").get_json()["items"]
    return next(f"/sent/{each['message_id']}" for each in items if each["subject"] == subject)


def is_withheld(stack: Stack, subject: str) -> None:
    rows = stack.browser("off").rows("threats")
    assert subject in {each["subject"] for each in rows}


@pytest.mark.accepts(176)
def test_a_student_reads_where_to_find_help_where_the_district_switched_it_on_and_nobody_else_does(
    stack: Stack,
) -> None:
    student, district = stack.browser("amy"), stack.browser("off")
    write(student, DANGER, stack.people["tea"], subject="Before")
    eventually_sync(lambda: is_withheld(stack, "Before"), 30)
    address = sent_by(student, "Before")
    before = student.get(address).get_data(as_text=True)
    assert DANGER.split(",")[0] in before, "it looks sent"
    assert "notice crisis" not in before
    page = district.get("/policy").get_data(as_text=True)
    tried = send(district, page, "try", crisis_notice=NOTICE).get_data(as_text=True)
    assert f"The crisis notice says: {NOTICE}" in tried
    assert send(district, tried, "save", note="Our counsellors asked.").status_code == 303

    def is_read() -> None:
        assert NOTICE in student.get(address).get_data(as_text=True)

    eventually_sync(is_read, 10)
    assert NOTICE in student.get(f"{address}/notice").get_data(as_text=True)
    write(student, "Is the gym open on Monday?", stack.people["tea"], subject="Harmless")
    write(student, "i will kill you tomorrow with a knife", stack.people["tea"], subject="Threat")
    eventually_sync(lambda: is_withheld(stack, "Threat"), 30)
    for subject in ("Harmless", "Threat"):
        shown = student.get(f"{sent_by(student, subject)}/notice?tries=2").get_data(as_text=True)
        assert (NOTICE in shown, "tries=1" in shown) == (False, True)
    for last in ("", "?tries=0", "?tries=x"):
        assert student.get(f"{sent_by(student, 'Harmless')}/notice{last}").get_data(as_text=True).strip() == ""
    for other in ("tea", "mum"):
        assert stack.browser(other).get(f"{address}/notice").status_code == 404


def test_the_page_after_sending_asks_for_it_for_students_alone(stack: Stack) -> None:
    form = {"subject": "Hello", "body": "Hello.", "channel": "email", "step": "send", "person": stack.people["tea"]}
    shown = {
        name: stack.browser(name)
        .post("/compose", {**form, "key": f"of {name}"}, page="/compose")
        .get_data(as_text=True)
        for name in ("amy", "mum")
    }
    assert all("Message sent" in each for each in shown.values())
    assert ["/notice?tries=2" in shown[name] for name in ("amy", "mum")] == [True, False]
