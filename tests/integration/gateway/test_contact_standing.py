"""The page that says how an address or number stands, on real services."""

import pytest

from tests.integration.gateway.stack import Stack
from tests.support.eventually import eventually_sync


@pytest.mark.accepts(311)
def test_operators_look_up_an_address(stack: Stack) -> None:
    district = stack.browser("off")
    assert "Contact standing" in district.get("/contact-standing").get_data(as_text=True)
    page = district.get("/contact-standing?q=ROSA@Example.org").get_data(as_text=True)
    assert "rosa@example.org" in page
    assert "It is written to by every channel." in page
    assert district.get("/contact-standing?q=nothing").status_code == 400
    fields = {"destination": "rosa@example.org", "channel": "1"}
    assert district.post("/contact-standing/lift", fields).status_code == 404
    assert stack.browser("tea").get("/contact-standing").status_code == 403


@pytest.mark.accepts(311)
def test_mail_that_is_not_held_back_cannot_be_let_go(stack: Stack) -> None:
    district = stack.browser("off")
    assert "E-mail is held back" not in district.get("/contact-standing").get_data(as_text=True)
    unexplained = district.post("/contact-standing/mail", {"reason": " "})
    assert unexplained.status_code == 400
    assert "E-mail is not held back any more." in unexplained.get_data(as_text=True)
    refused = district.post("/contact-standing/mail", {"reason": "The addresses are corrected."})
    assert refused.status_code == 409
    assert "E-mail is not held back." in refused.get_data(as_text=True)
    assert stack.browser("tea").post("/contact-standing/mail", {"reason": "Please."}).status_code == 403


@pytest.mark.accepts(306, 309)
def test_operators_end_and_begin_types_of_messages_as_somebody_asked(stack: Stack) -> None:
    district = stack.browser("off")
    every = ["1", "2", "3", "4", "5"]
    fields = {"destination": "rosa@example.org", "before": every, "wanted": ["1", "2", "5"], "reason": " "}
    refused = district.post("/contact-standing/consent", fields)
    assert refused.status_code == 400
    assert "Say who asked, and how" in refused.get_data(as_text=True)
    fields["reason"] = "Rosa Alvarez, by telephone."
    assert stack.browser("tea").post("/contact-standing/consent", fields).status_code == 403
    assert district.post("/contact-standing/consent", fields).status_code == 303
    page = district.get("/contact-standing?q=rosa@example.org").get_data(as_text=True)
    assert "announcements: stopped by <bdi>Ada North</bdi>, Rosa Alvarez, by telephone." in page
    assert page.count('name="before"') == 3
    fields |= {"before": ["1", "2", "5"], "wanted": every, "reason": "She asked for them again."}
    assert district.post("/contact-standing/consent", fields).status_code == 303
    assert district.get("/contact-standing?q=rosa@example.org").get_data(as_text=True).count('name="before"') == 5

    def is_logged() -> None:
        log = district.get("/audit?action=consent.changed").get_data(as_text=True)
        assert log.count("email r•••@example.org stopped=announcement stopped=survey") == 1
        assert log.count("email r•••@example.org started=announcement started=survey") == 1
        assert "Ada North" in log
        assert "rosa@" not in log

    eventually_sync(is_logged)


@pytest.mark.accepts(306)
def test_operators_say_whether_emergencies_respect_opt_outs(stack: Stack) -> None:
    district = stack.browser("off")
    assert "Emergencies respect opt-outs:" in district.get("/contact-standing").get_data(as_text=True)
    unexplained = district.post("/contact-standing/emergencies", {"step": "on", "reason": " "})
    assert unexplained.status_code == 400
    assert "Say why" in unexplained.get_data(as_text=True)
    fields = {"step": "on", "reason": "Board policy 8410."}
    assert stack.browser("tea").post("/contact-standing/emergencies", fields).status_code == 403
    assert district.post("/contact-standing/emergencies", fields).status_code == 303
    page = district.get("/contact-standing").get_data(as_text=True)
    assert "Emergencies go out to everybody" in page
    assert "by <bdi>Ada North</bdi>: Board policy 8410." in page
    assert district.post("/contact-standing/emergencies", {"step": "off", "reason": "Revoked."}).status_code == 303
    assert "Emergencies respect opt-outs:" in district.get("/contact-standing").get_data(as_text=True)
