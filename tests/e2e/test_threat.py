"""A student threatens somebody: what the student, the teacher and the holders of Threat Alerts see."""

import re
from dataclasses import dataclass
from datetime import datetime

import pytest
from playwright.sync_api import Locator, Page, expect

from services.kit.ids import new_id
from tests.e2e.people import People
from tests.e2e.roster import HOLDERS, STAFF
from tests.e2e.system import System
from tests.support.eventually import eventually_sync

_FIRST_BANNER_SECONDS = 2.0
_SCREENED_MS = 15_000
# The page notes by its own clock when its banner first shows an alert; it shows none before.
_NOTE_BANNER = """() => {
  const look = () => {
    if (document.querySelector("#alerts .threat-alert") && !window.bannerAt) window.bannerAt = Date.now();
  };
  new MutationObserver(look).observe(document.getElementById("alerts"), {childList: true, subtree: true});
}"""
_E_MAILS = {each.username: each.email for each in STAFF}


@dataclass
class Threat:
    """What was sent and the pages that were open before."""

    subject: str
    text: str
    principal: Page
    counsellor: Page

    def alert(self, page: Page) -> Locator:
        """Return the only alert in the banner of a page; what it is about is not in the page before it is asked for."""
        return page.locator("article.threat-alert")


@pytest.fixture(scope="module")
def threat(people: People) -> Threat:
    """A threat that a student has sent, while a principal and a counsellor have pages open."""
    subject = f"tomorrow {new_id()[-8:]}"
    text = f"I am going to bring a gun and kill you in class. {subject}"
    principal, counsellor = people.page("principal"), people.page("counsellor")
    principal.goto("/inbox")
    counsellor.goto("/inbox")
    principal.evaluate(_NOTE_BANNER)
    with principal.expect_response(lambda answer: answer.url.endswith("/alerts")):
        people.write_to_teacher("student1", subject, text)
    return Threat(subject, text, principal, counsellor)


def message_id(system: System, subject: str) -> str:
    """Return the id of a threat, by what the officer's report of threats lists."""
    answer = system.rest("officer").get(f"{system.url}/api/v1/reports/threats", timeout=20).json()
    found = [each["message_id"] for each in answer["rows"] if each["subject"] == subject]
    assert len(found) == 1
    return str(found[0])


@pytest.mark.accepts(177, 178, 250)
def test_the_banner_appears_in_an_open_browser_within_two_seconds(system: System, threat: Threat) -> None:
    expect(threat.alert(threat.principal)).to_be_visible(timeout=_SCREENED_MS)
    expect(threat.alert(threat.counsellor)).to_be_visible(timeout=_SCREENED_MS)
    shown_at = threat.principal.evaluate("window.bannerAt") / 1000
    identity = eventually_sync(lambda: message_id(system, threat.subject))
    found = system.rest("officer").get(f"{system.url}/api/v1/threats/{identity}", timeout=20).json()
    reached_at = datetime.fromisoformat(found["verdict"]["reached_at"]).timestamp()
    assert 0 <= shown_at - reached_at < _FIRST_BANNER_SECONDS


@pytest.mark.accepts(179)
def test_details_are_hidden_until_they_are_asked_for(threat: Threat) -> None:
    alert = threat.alert(threat.principal)
    assert threat.subject not in threat.principal.content()
    alert.get_by_text("Show details").click()
    expect(alert.get_by_text(threat.text)).to_be_visible()
    expect(alert.get_by_text("Robin Family0001")).to_be_visible()
    expect(alert.get_by_text("Tom Reed")).to_be_visible()
    alert.get_by_text("Hide details").click()
    expect(alert.get_by_text(threat.text)).to_be_hidden()


@pytest.mark.accepts(161, 168, 169, 170, 176)
def test_the_teacher_sees_nothing_and_the_student_sees_it_sent(people: People, system: System, threat: Threat) -> None:
    eventually_sync(lambda: message_id(system, threat.subject))
    page = people.page("teacher")
    page.goto("/inbox")
    expect(page.get_by_text("0 not read.")).to_be_visible()
    expect(page.get_by_text(threat.subject)).to_have_count(0)
    page.goto(f"/inbox?q={threat.subject}")
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    page.goto(f"/inbox/{message_id(system, threat.subject)}")
    expect(page.get_by_text(threat.text)).to_have_count(0)
    assert [each for channel in ("email", "sms", "push") for each in system.arrivals(channel, threat.subject)] == []
    student = people.page("student1")
    student.goto("/sent")
    expect(student.get_by_text(threat.subject).first).to_be_visible()


@pytest.mark.accepts(187, 188, 190, 194, 200)
def test_it_is_listed_flagged_with_its_text_hidden(people: People, threat: Threat) -> None:
    page = people.page("counsellor")
    page.goto("/reports/threats")
    row = page.locator("tr[data-entry]").filter(has=page.locator("td.col-acknowledge button")).first
    expect(row.locator("td.col-from")).to_have_text("Robin Family0001")
    expect(row.locator("td.col-to")).to_have_text("Tom Reed")
    expect(row.get_by_role("checkbox", name="Flagged")).to_be_checked()
    expect(row.locator("td.col-sent")).to_have_text("0")
    expect(row.locator("td.col-errors")).to_have_text("0")
    row.get_by_role("link", name="Show message").click()
    main = page.locator("main")
    expect(main.get_by_text(threat.text).first).to_be_hidden()
    main.get_by_text("Click here to show it").click()
    expect(main.locator(".message-text")).to_contain_text(threat.text)
    page.close()


@pytest.mark.accepts(192, 193)
def test_its_recipients_open_to_the_person_whom_it_never_reached(people: People, threat: Threat) -> None:
    page = people.page("counsellor")
    page.goto("/reports/threats")
    row = page.locator("tr[data-entry]").filter(has=page.locator("td.col-acknowledge button")).first
    row.locator("td.col-to a").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("td.col-status")).to_contain_text("Withheld")
    expect(dialog.get_by_role("columnheader", name="Expiration")).to_have_count(0)
    dialog.locator("td.col-name").get_by_role("link", name="Tom Reed").click()
    expect(page.get_by_role("heading", name="Tom Reed")).to_be_visible()
    # Headless pages are never hidden, so each holds its stream of alerts, and a browser has six connections to a host.
    page.close()


@pytest.mark.accepts(181, 183)
def test_every_holder_in_scope_gets_one_e_mail_and_one_push_without_its_words(
    system: System, people: People, threat: Threat
) -> None:
    identity = eventually_sync(lambda: message_id(system, threat.subject))

    def are_told() -> None:
        assert told(people, identity) == sorted(
            (name, way, False) for name in HOLDERS for way in ("email", "push", "portal")
        )
        for name in HOLDERS:
            assert alerts_at_simulator(system, name, identity) == {"email": 1, "push": 1}

    eventually_sync(are_told, 30)
    assert alerts_at_simulator(system, "ridge", identity) == {"email": 0, "push": 0}
    texts = [each for channel in ("email", "push") for each in system.arrivals(channel, identity)]
    assert not [each for each in texts if "gun" in str(each) or "Robin" in str(each)]


def told(people: People, identity: str) -> list[tuple[str, str, bool]]:
    """Return who was told of a threat, how, and whether of its acknowledgement, as its page shows it."""
    page = people.page("officer")
    page.goto(f"/reports/threats/{identity}")
    section = page.locator("section", has=page.get_by_role("heading", name="Who was alerted"))
    lines = [each.split(" · ") for each in section.locator("li").all_inner_texts()]
    page.close()
    names = {each.name: each.username for each in STAFF}
    return sorted(
        (username, line[1], "follow-up" in line)
        for line in lines
        for name, username in names.items()
        if line[0].endswith(name)
    )


def alerts_at_simulator(system: System, username: str, identity: str) -> dict[str, int]:
    """Return how many messages about a threat arrived for somebody, by channel."""
    return {
        channel: sum(username in each["to"] for each in system.arrivals(channel, identity))
        for channel in ("email", "push")
    }


@pytest.mark.accepts(202, 203, 204, 205, 206, 207)
def test_acknowledging_dismisses_it_for_everybody_and_says_who(system: System, people: People, threat: Threat) -> None:
    identity = message_id(system, threat.subject)
    threat.alert(threat.principal).get_by_role("button", name="Acknowledge").click()
    expect(threat.principal.locator("article.threat-alert")).to_have_count(0)
    # The counsellor's page was left alone.
    expect(threat.alert(threat.counsellor)).to_have_count(0)

    def followed_up() -> None:
        assert [each[:2] for each in told(people, identity) if each[2]] == sorted(
            (name, way) for name in HOLDERS for way in ("email", "push")
        )
        for name in HOLDERS:
            assert alerts_at_simulator(system, name, identity) == {"email": 2, "push": 2}

    eventually_sync(followed_up, 30)
    last = [each for each in system.arrivals("email", identity) if each["to"] == _E_MAILS["counsellor"]]
    assert "Ida Cole" in max(last, key=lambda each: each["seq"])["text"]
    page = people.page("counsellor")
    page.goto("/reports/threats")
    row = page.locator("tr[data-entry]", has=page.locator(f'a[href="/reports/threats/{identity}"]'))
    expect(row.locator("td.col-acknowledge")).to_contain_text("Ida Cole")
    expect(row.get_by_role("checkbox", name="Flagged")).to_be_checked()
    page = people.page("teacher")
    page.goto("/inbox")
    expect(page.get_by_text("0 not read.")).to_be_visible()


@pytest.mark.accepts(160, 161)
def test_an_ordinary_message_of_a_student_arrives(people: People) -> None:
    # Words of a person: letters drawn by chance may spell something that screening holds.
    subject = "Reading for Monday"
    people.write_to_teacher("student2", subject, "Could you tell me which pages we should read for Monday?")

    def has_come() -> None:
        page = people.page("teacher")
        page.goto("/inbox")
        assert page.get_by_text(re.compile(subject)).count() > 0
        page.close()

    eventually_sync(has_come, 60)


@pytest.mark.accepts(303)
def test_what_a_counsellor_releases_arrives_late_and_says_so(system: System, people: People, threat: Threat) -> None:
    identity = message_id(system, threat.subject)
    page = people.page("counsellor")
    page.goto(f"/reports/threats/{identity}")
    page.get_by_role("link", name="Release the message").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("A scene of the school play.")
    dialog.get_by_role("button", name="Release the message").click()
    expect(page.get_by_text("A scene of the school play.")).to_be_visible()

    def has_come() -> None:
        teacher = people.page("teacher")
        teacher.goto(f"/inbox?q={threat.subject}")
        assert teacher.get_by_text(threat.subject).count() > 0
        teacher.close()
        assert len(system.arrivals("email", threat.subject)) == 1

    eventually_sync(has_come, 60)
    officer = people.page("officer")
    officer.goto("/reports/history?searched=1&all_users=1")
    row = officer.locator("tr[data-entry]").filter(has_text=threat.subject)
    expect(row.first).to_contain_text("Released late")
