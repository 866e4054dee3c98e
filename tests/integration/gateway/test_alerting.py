"""What pages say of threat alerts, with notify: where the alert on top leads, and who was told what."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from protos.directory.v1 import directory_pb2 as directory
from protos.notify.v1 import notify_pb2_grpc
from services.kit.ids import new_id
from tests.integration.gateway.filled import filled
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.integration.gateway.stack import Browser, Stack, away
from tests.integration.gateway.telling import SCARY, student_message, tell_withheld
from tests.integration.gateway.test_district_settings import profile_of
from tests.support.eventually import eventually_sync

SERVICES = (*USUAL, "notify")


def threaten(stack: Stack, username: str) -> str:
    """Raise a threat of Lincoln High, wait until this person is alerted of it and finds it, and return its id."""
    sent, browser = student_message(stack, subject="Gym", body=SCARY), stack.browser(username)
    tell_withheld(stack, sent)

    def is_there() -> None:
        assert sent.message_id in browser.get("/alerts").get_data(as_text=True)
        assert browser.get(f"/reports/threats/{sent.message_id}").status_code == 200

    eventually_sync(is_there)
    return sent.message_id


@pytest.mark.accepts(177)
def test_an_acknowledgement_leads_back_to_no_address_that_takes_forms_alone(stack: Stack) -> None:
    acknowledge = f"/reports/threats/{threaten(stack, 'pri')}/acknowledge"
    browser = stack.browser("pri")
    refused = browser.post(f"/schedules/{new_id()}/pause").get_data(as_text=True)
    assert filled(refused, acknowledge)["next"] == ["/reports/threats"]
    assert filled(browser.get("/sent?q=gym").get_data(as_text=True), acknowledge)["next"] == ["/sent?q=gym"]


@contextmanager
def without_alerts(stack: Stack, *names: str) -> Iterator[None]:
    """Take Threat Alerts from profiles for a while."""
    stub = stack.gateway.clients.directory

    def set_right(*, is_held: bool) -> None:
        for name in names:
            profile = profile_of(stack, name)
            held = {*profile.permissions, "threat_alerts"} if is_held else {*profile.permissions} - {"threat_alerts"}
            wanted = directory.UpdateProfileRequest(
                profile_id=profile.profile_id, permissions=sorted(held), version=profile.version
            )
            stub.UpdateProfile(wanted, metadata=stack.operator)

    set_right(is_held=False)
    yield
    set_right(is_held=True)


@pytest.fixture
def unwatched(stack: Stack) -> Iterator[None]:
    """Let nobody who sees Lincoln High hold Threat Alerts."""
    with without_alerts(stack, "Principal", "District administrator"):
        yield


def alerted(browser: Browser, address: str) -> str:
    """Return what the page of a threat says of who was alerted."""
    page = browser.get(address).get_data(as_text=True)
    return page.split("Who was alerted</h2>")[1].split("</section>")[0]


@pytest.mark.accepts(177, 186)
@pytest.mark.usefixtures("unwatched")
def test_who_was_only_warned_does_not_read_as_alerted(stack: Stack) -> None:
    address = f"/reports/threats/{threaten(stack, 'cou')}"
    told = alerted(stack.browser("cou"), address).split("<li>")[1:]
    warned = {each for each in told if "told that nobody of the school is set to be alerted" in each}
    assert warned == {each for each in told if "Ada North" in each} != set()
    assert any("Lee Marsh" in each for each in set(told) - warned)


def test_who_holds_alerts_since_a_threat_reads_who_was_alerted_of_it(stack: Stack) -> None:
    with without_alerts(stack, "Principal"):
        address = f"/reports/threats/{threaten(stack, 'off')}"
    told = alerted(stack.browser("pri"), address)
    assert ("Ada North" in told, "Ida Cole" in told) == (True, False)


def test_of_an_imported_threat_it_is_said_that_nobody_was_alerted(stack: Stack) -> None:
    sent, browser = student_message(stack, subject="Gym", body=SCARY), stack.browser("pri")
    address = f"/reports/threats/{sent.message_id}"
    tell_withheld(stack, sent, is_imported=True)

    def is_there() -> None:
        assert browser.get(address).status_code == 200

    eventually_sync(is_there)
    assert "Nobody was alerted: this message was imported." in alerted(browser, address)


def test_while_notify_is_away_a_threat_says_that_who_was_alerted_cannot_be_read(stack: Stack) -> None:
    address = f"/reports/threats/{threaten(stack, 'pri')}"
    with away(stack, notify=notify_pb2_grpc.NotifyServiceStub):
        assert "This cannot be read at the moment." in alerted(stack.browser("pri"), address)
