"""The page that says how an address or number stands, on real services."""

import pytest

from tests.integration.gateway.stack import Stack


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
