"""Sign-in, sessions, throttling, rights: on a real database and a real directory."""

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher, extract_parameters
from flask import url_for

from protos.directory.v1 import directory_pb2 as directory
from services.gateway import sessions
from services.gateway.accounts import NewAccount, add_accounts
from services.gateway.sessions import IDLE, LIFE
from services.gateway.tables import sign_in_attempts
from tests.integration.gateway.stack import PASSWORD, Stack

FOR_EVERYBODY = {
    "/",
    "/<any(inbox, sent):box>/<uuid:message_id>",
    "/sent/<uuid:message_id>/notice",
    "/answer/<string(maxlength=200):link>",
    "/unsubscribe/<string(maxlength=200):link>",
    "/api/openapi.json",
    "/api/v1/inbox",
    "/api/v1/inbox/<uuid:message_id>",
    "/api/v1/inbox/<uuid:message_id>/survey",
    "/api/v1/people",
    "/api/v1/schools",
    "/api/v1/sent",
    "/api/v1/sent/<uuid:message_id>/survey",
    "/api/v1/viewer",
    "/assets/<path:key>",
    "/compose",
    "/favicon.ico",
    "/healthz",
    "/inbox",
    "/people",
    "/readyz",
    "/sent",
    "/sign-in",
    "/webhooks/twilio/recordings/<ticket>",
}
"""What students and parents may read, or anybody; every other address is for staff."""
_ID = "0190aaaa-0000-7000-8000-000000000001"


def staff_pages(stack: Stack) -> list[str]:
    """Every address that is read and that is not for everybody."""
    parts: dict[str, Any] = defaultdict(lambda: _ID, version=1, report="attendance")
    with stack.app.test_request_context():
        return [
            url_for(rule.endpoint, **{name: parts[name] for name in rule.arguments})
            for rule in stack.app.url_map.iter_rules()
            if "GET" in (rule.methods or ()) and rule.rule not in FOR_EVERYBODY
        ]


def test_a_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(stack: Stack) -> None:
    response = stack.browser().sign_in("PRI ")
    assert response.status_code == 303
    cookie = next(each for each in response.headers.getlist("Set-Cookie") if each.startswith("lantern_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_wrong_name_reads_like_a_wrong_password(stack: Stack) -> None:
    answers = [stack.browser().sign_in(name, "wrong password") for name in ("pri", "nobody at all")]
    assert [each.status_code for each in answers] == [401, 401]
    assert all("The username or the password is not right." in each.get_data(as_text=True) for each in answers)


def test_too_many_attempts_wait_and_the_right_password_then_works(stack: Stack) -> None:
    browser = stack.browser()
    statuses = [browser.sign_in("off", f"wrong {number}").status_code for number in range(11)]
    assert statuses == [401] * 10 + [429]
    refused = browser.sign_in("off")
    assert (refused.status_code, 0 < int(refused.headers["Retry-After"]) <= 900) == (429, True)
    stack.clock.later = timedelta(minutes=16)
    assert browser.sign_in("off").status_code == 303


def signed_in_from(stack: Stack, address: str, name: str) -> int:
    """Return the status of the answer to a sign-in from an address."""
    browser = stack.browser()
    browser.client.environ_base["REMOTE_ADDR"] = address
    return browser.sign_in(name).status_code


def test_a_school_behind_one_address_is_shut_out_by_wrong_passwords_alone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_TRIES_FROM_ADDRESS", 3)

    sign_in = partial(signed_in_from, stack, "192.0.2.1")
    names = ("nobody", "pri", "tea", "off", "pri", "no one", "not a soul", "pri")
    assert [sign_in(name) for name in names] == [401, 303, 303, 303, 303, 401, 401, 429]


def test_who_has_a_network_of_ipv6_tries_no_more_passwords_than_who_has_one_address(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_TRIES_FROM_ADDRESS", 3)
    tries = [signed_in_from(stack, f"2001:db8::{number}", f"guess {number}") for number in range(4)]
    assert tries == [401, 401, 401, 429]


def test_a_busy_gateway_uses_up_nobodys_attempts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = stack.browser()
    with monkeypatch.context() as busy:
        busy.setattr(sessions, "_verifying", threading.Semaphore(0))
        busy.setattr(sessions, "_LONGEST_WAIT_SECONDS", 0)
        assert [browser.sign_in("both").status_code for _ in range(11)] == [503] * 11
    assert browser.sign_in("both").status_code == 303


def test_who_waits_to_sign_in_counts_for_no_attempt_of_the_address(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_TRIES_FROM_ADDRESS", 2)

    sign_in = partial(signed_in_from, stack, "192.0.2.2")
    with ThreadPoolExecutor(8) as at_once:
        assert list(at_once.map(sign_in, ("pri", "tea", "amy", "mum", "cou", "both", "pri", "tea"))) == [303] * 8


def old_attempts(stack: Stack) -> int:
    with stack.gateway.engine.begin() as connection:
        rows = sa.select(sa.func.count()).select_from(sign_in_attempts)
        found: int = connection.execute(rows.where(sign_in_attempts.c.made_at < stack.clock() - LIFE)).scalar_one()
    return found


def add_old_attempts(stack: Stack, count: int) -> None:
    text = "INSERT INTO sign_in_attempts SELECT gen_random_uuid(), sha256('x'), now() - interval '1 day'"
    with stack.gateway.engine.begin() as connection:
        connection.execute(sa.text(f"{text} FROM generate_series(1, :count)"), {"count": count})


def test_a_sign_in_forgets_a_lot_of_old_attempts_not_all(stack: Stack) -> None:
    add_old_attempts(stack, 10_500)
    assert stack.browser().sign_in("pri").status_code == 303
    assert old_attempts(stack) == 500
    assert stack.browser().sign_in("pri").status_code == 303
    assert old_attempts(stack) == 0


def test_what_cannot_be_forgotten_now_costs_nobody_the_session(stack: Stack) -> None:
    """Here the forgetting waits for a table that another transaction holds, as it might for a slow statement."""

    def hurry(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")

    engine = stack.gateway.engine
    with engine.begin() as other:
        other.exec_driver_sql("LOCK TABLE recipient_lists IN ACCESS EXCLUSIVE MODE")
        sa.event.listen(engine, "begin", hurry)
        try:
            assert stack.browser("pri").get("/api/v1/viewer").status_code == 200
        finally:
            sa.event.remove(engine, "begin", hurry)


@pytest.mark.parametrize("pause", [IDLE, LIFE], ids=["unused", "old"])
def test_a_session_ends(stack: Stack, pause: timedelta) -> None:
    browser = stack.browser("tea")
    assert browser.get("/inbox").status_code == 200
    stack.clock.later = pause + timedelta(seconds=1)
    response = browser.get("/inbox?q=a")
    assert (response.status_code, response.headers["Location"]) == (303, "/sign-in?next=%2Finbox%3Fq%3Da")


def test_a_session_that_is_used_goes_on_until_its_whole_life_is_over(stack: Stack) -> None:
    browser = stack.browser("tea")
    for hours in range(1, 12):
        stack.clock.later = timedelta(hours=hours)
        assert browser.get("/inbox").status_code == 200
    stack.clock.later = LIFE + timedelta(seconds=1)
    assert browser.get("/inbox").status_code == 303


def test_signing_out_ends_the_session_itself(stack: Stack) -> None:
    browser = stack.browser("tea")
    kept = browser.client.get_cookie("lantern_session")
    assert kept
    assert browser.post("/sign-out").status_code == 303
    browser.client.set_cookie("lantern_session", kept.value)
    assert browser.get("/inbox").status_code == 303


def test_signing_in_leads_back_to_our_own_pages_only(stack: Stack) -> None:
    for address, expected in (("/inbox?q=a", "/inbox?q=a"), ("//evil.example/", "/")):
        form = {"username": "tea", "password": "correct horse", "next": address}
        assert stack.browser().post("/sign-in", form, page="/sign-in").headers["Location"] == expected


@pytest.mark.accepts(1, 4, 16)
@pytest.mark.parametrize("username", ["amy", "mum"])
def test_students_and_parents_reach_no_page_of_staff(stack: Stack, username: str) -> None:
    browser, pages = stack.browser(username), staff_pages(stack)
    assert {"/reports/history", "/audit", "/policy", "/referrals", "/people/find", "/alerts"} <= set(pages)
    assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 403)
    assert "Communication reports" not in browser.get("/inbox").get_data(as_text=True)


@pytest.mark.accepts(15)
def test_a_teacher_sees_the_history_and_never_threats(stack: Stack) -> None:
    browser = stack.browser("tea")
    page = browser.get("/reports/history")
    assert page.status_code == 200
    assert "Threat Messages" not in page.get_data(as_text=True)
    assert browser.get("/reports/threats").status_code == 403


@pytest.mark.accepts(36)
def test_all_users_without_the_right_is_refused_by_the_server(stack: Stack) -> None:
    answer = stack.browser("tea").get("/api/v1/reports/history?searched=1&all_users=1")
    assert answer.status_code == 403


@pytest.mark.accepts(5)
def test_a_right_that_is_taken_away_is_gone_on_the_next_request(stack: Stack) -> None:
    browser, client = stack.browser("tea"), stack.gateway.clients.directory
    assert browser.get("/reports/history").status_code == 200
    profiles = client.ListProfiles(directory.ListProfilesRequest(), metadata=stack.operator).profiles
    profile = next(each for each in profiles if each.name == "Teacher")
    change = directory.UpdateProfileRequest(
        profile_id=profile.profile_id, permissions=["send_messages"], version=profile.version
    )
    changed = client.UpdateProfile(change, metadata=stack.operator).profile
    assert browser.get("/reports/history").status_code == 403
    back = directory.UpdateProfileRequest(
        profile_id=profile.profile_id, permissions=profile.permissions, version=changed.version
    )
    client.UpdateProfile(back, metadata=stack.operator)


@pytest.mark.accepts(9, 10)
def test_threats_are_off_where_the_module_is_bought_and_not_enabled(stack: Stack) -> None:
    browser, client = stack.browser("pri"), stack.gateway.clients.directory
    module = directory.Module(name="moderation_api", is_purchased=True, is_enabled=False)
    client.UpdateModule(directory.UpdateModuleRequest(module=module), metadata=stack.operator)
    assert browser.get("/reports/threats").status_code == 403
    module.is_enabled = True
    client.UpdateModule(directory.UpdateModuleRequest(module=module), metadata=stack.operator)
    assert browser.get("/reports/threats").status_code == 200


def test_a_replaced_password_ends_the_sessions_of_its_person(stack: Stack) -> None:
    mine, other = stack.browser("tea"), stack.browser("mum")
    account = NewAccount(username="tea", password="another horse", person_id=stack.people["tea"])
    add_accounts(stack.gateway.engine, [account])
    try:
        assert [each.get("/api/v1/viewer").status_code for each in (mine, other)] == [401, 200]
        assert stack.browser().sign_in("tea", "another horse").status_code == 303
    finally:
        add_accounts(stack.gateway.engine, [account.model_copy(update={"password": PASSWORD})])


def test_a_password_that_was_kept_in_a_weaker_way_is_kept_anew_at_the_next_sign_in(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> int:
        with stack.gateway.engine.connect() as connection:
            hashed = connection.execute(sa.text("SELECT password_hash FROM accounts WHERE username = 'amy'")).scalar()
        return extract_parameters(str(hashed)).time_cost

    assert kept() == 1
    monkeypatch.setattr(sessions, "_hasher", PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))
    stack.browser("amy")
    assert kept() == 2
    assert stack.browser().sign_in("amy", "wrong password").status_code == 401
    stack.browser("amy")


def test_an_open_page_that_follows_threat_alerts_is_use(stack: Stack) -> None:
    browser = stack.browser("pri")
    for _ in range(3):
        stack.clock.later += IDLE - timedelta(minutes=1)
        assert browser.get("/alerts").status_code == 200
    stack.clock.later += LIFE
    assert browser.get("/alerts", headers={"HX-Request": "true"}).status_code == 401
