"""The page of senders, on real services."""

import pytest

from tests.integration.gateway.stack import Stack
from tests.support.eventually import eventually_sync


@pytest.mark.accepts(230, 309)
def test_operators_set_and_remove_senders(stack: Stack) -> None:
    district = stack.browser("off")
    assert "There are none" in district.get("/senders").get_data(as_text=True)
    fields = {"school": stack.school_id, "type": "1", "way": "3", "address": "911", "name": ""}
    refused = district.post("/senders", fields)
    assert refused.status_code == 400
    text = refused.get_data(as_text=True)
    assert "Enter a phone number." in text
    assert 'value="911"' in text

    def is_set() -> None:
        # The queue hears of a school from directory's events.
        assert district.post("/senders", fields | {"address": "(212) 555-0111"}).status_code == 303

    eventually_sync(is_set)
    page = district.get("/senders").get_data(as_text=True)
    assert "+12125550111" in page
    assert "set by <bdi>Ada North</bdi>" in page
    assert district.post("/senders", {"way": "1", "address": "a@elsewhere.org"}).status_code == 400
    assert district.post("/senders/remove", fields).status_code == 303
    assert district.post("/senders/remove", fields).status_code == 404
    assert "There are none" in district.get("/senders").get_data(as_text=True)
    assert stack.browser("tea").get("/senders").status_code == 403

    def is_logged() -> None:
        log = district.get("/audit?action=sender.changed").get_data(as_text=True)
        for what in ("set", "removed"):
            assert f"{what} school={stack.school_id} type=emergency way=call address=+12125550111" in log

    eventually_sync(is_logged)
