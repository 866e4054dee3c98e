"""What was translated, as people see it: the composer, the recipients, the inbox; on real services."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protos.directory.v1 import directory_pb2 as directory
from services.kit.ids import new_id
from tests.integration.gateway.stack import Browser, Stack
from tests.integration.gateway.test_polls import link as answer_link
from tests.integration.gateway.test_recipients import cells, sent
from tests.support.eventually import eventually_sync
from tests.support.forked import start
from tests.support.vendors import ENVIRONMENT, VendorSimulator, vendor_process

__all__ = ["vendor_process"]
WRITTEN, TOLD = "Excursión: traiga botas.", "[en] Excursión: traiga botas."


@contextmanager
def switched_on(stack: Stack) -> Iterator[None]:
    """Switch the module on."""
    stub: Any = stack.gateway.clients.directory

    def switch(*, is_on: bool) -> None:
        module = directory.Module(name="translation", is_purchased=True, is_enabled=is_on)
        stub.UpdateModule(directory.UpdateModuleRequest(module=module), metadata=stack.operator)

    switch(is_on=True)
    try:
        yield
    finally:
        switch(is_on=False)


@contextmanager
def translator(stack: Stack, simulator: VendorSimulator) -> Iterator[None]:
    """Run a dispatcher that serves no channel and translates."""
    account = {name: ENVIRONMENT[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    own = {**account, "AWS_ENDPOINT_URL": simulator.url, "TRANSLATE_REGION": "us-east-1"}
    environment = {**os.environ, **stack.environments["queue"], **own}
    dispatcher = start("queue", "dispatch", environment)
    try:
        yield
    finally:
        dispatcher.terminate()
        dispatcher.wait(15)


def text_of(page: str) -> str:
    found = re.search(r'<div class="message-text"[^>]*>(.*?)</div>', page, re.DOTALL)
    return found[1] if found else ""


def link(page: str, words: str) -> str:
    found = re.search(rf'href="([^"]+)"[^>]*>{words}<', page)
    assert found, words
    return found[1].replace("&amp;", "&")


def switched(browser: Browser, address: str) -> None:
    """The translation is shown first, the links switch to what was written and back."""
    page = browser.get(address).get_data(as_text=True)
    assert (text_of(page), "Translated into English" in page) == (TOLD, True)
    page = browser.get(link(page, "View original")).get_data(as_text=True)
    assert text_of(page) == WRITTEN
    assert text_of(browser.get(link(page, "View translated")).get_data(as_text=True)) == TOLD


@pytest.mark.accepts(81, 82)
def test_the_translation_is_shown_first_and_the_links_switch(stack: Stack, vendor_process: VendorSimulator) -> None:
    browser = stack.browser("pri")
    with switched_on(stack), translator(stack, vendor_process):
        fields = {"subject": "Excursión", "body": WRITTEN, "language": "es"}
        row = sent(browser, lambda counts: counts["total"] != "0", **fields)
        base = f"/reports/history/entries/{row['entry_id']}"

        def is_translated() -> str:
            page = browser.get(f"{base}/recipients").get_data(as_text=True)
            address = link(page, "Message")
            assert "number=" in address
            return address

        switched(browser, eventually_sync(is_translated))
        switched(browser, f"{base}/recipients/record?at=1")
        parent = stack.browser("mum")
        switched(parent, f"/inbox/{row['message_id']}")
        assert TOLD in parent.get("/inbox").get_data(as_text=True)
        # The report's own row is the message as it was written.
        assert WRITTEN in browser.get(f"{base}/message").get_data(as_text=True)
        untouched = sent(browser, lambda _: True, **fields, is_translated=False)
        page = browser.get(f"/reports/history/entries/{untouched['entry_id']}/recipients").get_data(as_text=True)
        assert cells(page, "name")
        assert "number=" not in link(page, "Message")


@pytest.mark.accepts(81)
def test_a_translated_poll_says_what_is_wrong_with_an_answer(stack: Stack, vendor_process: VendorSimulator) -> None:
    question = {"text": "¿Cuándo?", "options": [{"text": "Lunes"}, {"text": "Martes"}]}
    closes_at = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    mum = stack.browser("mum")
    with switched_on(stack), translator(stack, vendor_process):
        fields = {"subject": "Excursión", "body": WRITTEN, "language": "es", "channels": ["poll"]}
        survey = {"questions": [question], "closes_at": closes_at}
        row = sent(stack.browser("pri"), lambda counts: counts["total"] != "0", **fields, survey=survey)
        address = f"/inbox/{row['message_id']}"
        eventually_sync(lambda: _is_translated(mum.get(address).get_data(as_text=True)))
    refused = mum.post(f"{address}/answer", {"q1": "9"}, page=address)
    page = refused.get_data(as_text=True)
    assert (refused.status_code, "Choose one of the options." in page) == (400, True)
    assert text_of(mum.get(link(page, "View original")).get_data(as_text=True)).startswith(WRITTEN)


@pytest.mark.accepts(318)
def test_what_a_poll_asks_is_marked_with_its_language(stack: Stack, vendor_process: VendorSimulator) -> None:
    fields = {"subject": "Excursión", "body": WRITTEN, "language": "es", "channels": ["poll"]}
    survey = {
        "questions": [{"text": "¿Cuándo?", "options": [{"text": "Lunes"}, {"text": "Martes"}]}],
        "closes_at": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
    }
    principal, mum = stack.browser("pri"), stack.browser("mum")
    with switched_on(stack), translator(stack, vendor_process):
        told = sent(principal, lambda counts: counts["total"] != "0", **fields, survey=survey)
        inbox = f"/inbox/{told['message_id']}"
        eventually_sync(lambda: _is_translated(mum.get(inbox).get_data(as_text=True)))
        untold = sent(principal, lambda counts: counts["total"] != "0", **fields, survey=survey, is_translated=False)
    for row, language, mark in ((told, "en", "[en] "), (untold, "es", "")):
        page = stack.browser().get(answer_link({"entries": [{"entry_id": row["entry_id"]}]})).get_data(as_text=True)
        assert page.startswith(f'<!doctype html>\n<html lang="{language}"')
        expected = {"h1": "Excursión", "legend": "¿Cuándo?", "span": "Lunes"}
        assert texts_in(page, language) == {name: mark + text for name, text in expected.items()}
    page = mum.get(inbox).get_data(as_text=True)
    assert texts_in(page, "en") == {"h1": "[en] Excursión", "legend": "[en] ¿Cuándo?", "span": "[en] Lunes"}
    assert '<span dir="auto" lang="en">[en] Excursión</span>' in mum.get("/inbox").get_data(as_text=True)


def texts_in(page: str, language: str) -> dict[str, str]:
    """Return the first heading, question and option that are marked with a language; none but the text is marked so."""
    wanted = rf'<(h1|legend|span) dir="auto" lang="{language}">([^<]*)<'
    return dict(reversed(re.findall(wanted, page)))


def _is_translated(page: str) -> None:
    assert "Translated into English" in page


def test_the_composer_offers_it_where_the_district_has_switched_it_on(stack: Stack) -> None:
    browser = stack.browser("pri")
    message = {"subject": "s", "body": "b", "channels": ["email"], "audience": {"roles": ["parent"]}}

    def is_off() -> None:
        wanted = {**message, "idempotency_key": new_id(), "is_translated": True}
        answer = browser.send_json("POST", "/api/v1/messages", wanted)
        assert (answer.status_code, answer.get_json().get("reason")) == (409, "TRANSLATION_OFF")
        assert 'name="translated"' not in browser.get("/compose").get_data(as_text=True)

    eventually_sync(is_off)
    form = {"subject": "Trip", "body": "Bring boots.", "channel": "email", "role": "parent", "step": "preview"}
    with switched_on(stack):

        def is_offered() -> None:
            page = browser.get("/compose").get_data(as_text=True)
            assert re.search(r'name="translated" value="1" checked', page)
            assert '<option value="ht"' in page
            chosen = browser.post("/compose", {**form, "language": "es", "translated": "1"}, page="/compose")
            assert "E-mail, translated: English for " in chosen.get_data(as_text=True)

        eventually_sync(is_offered)
        wrong = browser.post("/compose", {**form, "language": "xx"}, page="/compose").get_data(as_text=True)
        assert "Choose one of the languages." in wrong
