"""Unsubscribing by the link of an e-mail: by a mail program itself, and by the page's button."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.gateway.tables import sign_in_attempts
from services.kit.ids import new_id
from services.queue.leaving import PURPOSE
from services.queue.links import Link, Links
from tests.integration.gateway.stack import UNSUBSCRIBE_SECRET, Stack


def _link(stack: Stack, purpose: str = PURPOSE, channels: tuple[str, ...] = ("email",), days: int = 9) -> str:
    """Send an announcement to parents; return the address of its first recipient's link."""
    body: dict[str, object] = {
        "idempotency_key": new_id(),
        "subject": "Picture day",
        "body": "It is on Friday.",
        "channels": channels,
    }
    body |= {"audience": {"roles": ["parent"]}}
    answer = stack.browser("pri").send_json("POST", "/api/v1/messages", body)
    assert answer.status_code == 200, answer.get_json()
    until = datetime.now(UTC) + timedelta(days=days)
    link = Link(answer.get_json()["entries"][0]["entry_id"], 1, until)
    return f"/unsubscribe/{Links(UNSUBSCRIBE_SECRET, purpose).sign(link)}"


@pytest.mark.accepts(306)
def test_a_mail_program_unsubscribes_with_one_click(stack: Stack) -> None:
    address, nobody = _link(stack), stack.app.test_client()
    page = nobody.get(address)
    assert "Unsubscribe from announcements?" in page.get_data(as_text=True)
    assert "r•••@example.org" in page.get_data(as_text=True)
    assert (page.headers["Referrer-Policy"], page.headers["X-Robots-Tag"]) == ("no-referrer", "noindex, nofollow")
    for _ in range(2):
        done = stack.app.test_client().post(address, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
        assert "You are unsubscribed" in done.get_data(as_text=True)
    standing = stack.browser("off").get("/contact-standing?q=rosa@example.org").get_data(as_text=True)
    assert "announcements: stopped, by the link of an e-mail" in standing
    again = nobody.post(address, data={"step": "subscribe"})
    assert "You are subscribed again" in again.get_data(as_text=True)
    assert "Unsubscribe from announcements?" in nobody.get(address).get_data(as_text=True)


@pytest.mark.accepts(306)
def test_a_link_that_is_none_changes_nothing(stack: Stack) -> None:
    whole, nobody = _link(stack), stack.app.test_client()
    for address in (f"{whole}x", _link(stack, "answer"), _link(stack, days=-1), _link(stack, channels=("push",))):
        assert nobody.get(address).status_code == 404
        assert nobody.post(address, data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert "Unsubscribe from announcements?" in nobody.get(whole).get_data(as_text=True)


def test_wrong_links_are_counted_for_their_address_alone_and_no_longer_when_it_waits(stack: Stack) -> None:
    nobody, kept = stack.app.test_client(), sa.select(sa.func.count()).select_from(sign_in_attempts)
    nobody.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    with stack.gateway.engine.begin() as connection:
        before = connection.execute(kept).scalar_one()
    statuses = [nobody.post(f"/unsubscribe/x{number}").status_code for number in range(120)]
    assert statuses == [404] * 100 + [429] * 20
    with stack.gateway.engine.begin() as connection:
        assert connection.execute(kept).scalar_one() - before == 100


def test_wrong_links_from_anywhere_in_one_network_of_ipv6_are_counted_together(stack: Stack) -> None:
    nobody, kept = stack.app.test_client(), sa.select(sa.func.count()).select_from(sign_in_attempts)
    with stack.gateway.engine.begin() as connection:
        before = connection.execute(kept).scalar_one()
    statuses = []
    for number in range(120):
        nobody.environ_base["REMOTE_ADDR"] = f"2001:db8::{number:x}"
        statuses.append(nobody.post(f"/unsubscribe/x{number}").status_code)
    assert statuses == [404] * 100 + [429] * 20
    with stack.gateway.engine.begin() as connection:
        assert connection.execute(kept).scalar_one() - before == 100


@pytest.mark.accepts(306)
def test_a_link_changes_something_sixty_times_in_a_quarter_of_an_hour(stack: Stack) -> None:
    address, nobody = _link(stack), stack.app.test_client()
    assert [nobody.post(address).status_code for _ in range(61)] == [200] * 60 + [429]
