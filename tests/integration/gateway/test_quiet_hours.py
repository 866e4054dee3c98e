"""Quiet hours from the page to the composer's preview, on real services."""

from datetime import timedelta

import pytest

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
