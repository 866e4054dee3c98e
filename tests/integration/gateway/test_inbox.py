"""The portal inbox: what is not read yet."""

import re

from services.gateway.searches import PAGE_SIZE
from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser, Stack
from tests.support.eventually import eventually_sync


def write(browser: Browser, subject: str, person_id: str) -> None:
    body = {"idempotency_key": new_id(), "subject": subject, "body": "Soon.", "channels": ["email"]}
    sent = browser.send_json("POST", "/api/v1/messages", {**body, "audience": {"person_ids": [person_id]}})
    assert sent.status_code == 200


def test_not_read_goes_on_to_the_next_page_and_says_when_everything_is_read(stack: Stack) -> None:
    browser, principal = stack.browser("tea"), stack.browser("pri")
    empty = browser.get("/inbox?unread=1").get_data(as_text=True)
    assert "You have read everything" in empty
    assert '<a href="/inbox">Show the whole inbox</a>' in empty
    assert "No messages yet" not in empty
    for number in range(PAGE_SIZE + 1):
        write(principal, f"Note {number}", stack.people["tea"])

    def are_there() -> str:
        page = browser.get("/inbox?unread=1&q=Note").get_data(as_text=True)
        assert "Page 1 of 2" in page
        return page

    link = re.search(r'href="([^"]+)">Older<', eventually_sync(are_there))
    assert link
    older = browser.get("/inbox" + link[1].replace("&amp;", "&")).get_data(as_text=True)
    assert re.search(r'name="unread" value="1" checked', older)
    assert "Page 2 of 2" in older
    assert "unread" not in browser.get("/inbox?q=Note").get_data(as_text=True).partition('class="paging"')[2]
    unfit = browser.get("/inbox?unread=1&q=Storm").get_data(as_text=True)
    assert "Nothing that you have not read fits “Storm”" in unfit
