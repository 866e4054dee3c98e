"""The composer: what is sent is what was previewed, and a form that was sent is not sent again as something else."""

import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from protos.queue.v1 import queue_pb2_grpc
from services.gateway import composing
from services.gateway.tables import sign_in_attempts
from services.kit.errors import Unavailable
from tests.integration.gateway.filled import filled
from tests.integration.gateway.stack import Browser, Stack, away

FORM: dict[str, Any] = {
    "subject": "Picture day", "body": "Bring a smile.", "audience": "directory", "role": "parent", "channel": "email",
}  # fmt: skip


def post(browser: Browser, **changes: Any) -> Any:
    return browser.post("/compose", {**FORM, **changes}, page="/compose")


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, name
    return found[1]


def sent(browser: Browser) -> list[str]:
    return [each["subject"] for each in browser.get("/api/v1/sent").get_json()["items"]]


@pytest.mark.parametrize(
    "changes",
    [{"role": ["parent", "teacher"]}, {"body": "Bring money."}, {"channel": ["email", "push"]}, {"when": "later"}],
)
def test_what_was_changed_after_its_preview_is_previewed_again_and_not_sent(
    stack: Stack, changes: dict[str, Any]
) -> None:
    browser = stack.browser("pri")
    later = {"start_date": "2099-01-01", "send_time": "08:00"}
    shown = post(browser, **later).get_data(as_text=True)
    kept = {**later, "key": hidden(shown, "key"), "previewed": hidden(shown, "previewed"), "step": "send"}
    before = sent(browser)
    again = post(browser, **{**kept, **changes})
    page = again.get_data(as_text=True)
    assert (again.status_code, "nothing was sent" in page, sent(browser)) == (200, True, before)
    if "when" not in changes:
        answer = post(browser, **{**kept, **changes, "previewed": hidden(page, "previewed")})
        assert "Message sent" in answer.get_data(as_text=True)


def test_a_preview_says_who_gets_an_e_mail_in_the_portal_alone(stack: Stack) -> None:
    page = post(stack.browser("pri"), role="student").get_data(as_text=True)
    assert re.search(r"E-mail: \d recipients without an address get it in the portal inbox alone", page)


def test_a_text_that_begins_with_an_empty_line_is_what_was_previewed(stack: Stack) -> None:
    browser = stack.browser("pri")
    shown = post(browser, body="\r\n\r\nHello.\r\n").get_data(as_text=True)
    # A browser drops the first line break of a text field.
    kept = {"key": hidden(shown, "key"), "previewed": hidden(shown, "previewed"), "step": "send"}
    assert "Message sent" in post(browser, body="\r\nHello.\r\n", **kept).get_data(as_text=True)


@pytest.mark.parametrize("person", ["pri", "amy"])
def test_a_form_that_was_sent_does_not_send_another_message_unseen_and_loses_nothing(stack: Stack, person: str) -> None:
    browser = stack.browser(person)
    fields = {"key": f"form of {person}", "step": "send"}
    if person == "amy":
        fields["person"] = stack.people["tea"]
    assert [post(browser, **fields).status_code for _ in range(2)] == [200, 200]
    before = sent(browser)
    other = post(browser, **fields, subject="Something else")
    page = other.get_data(as_text=True)
    assert (other.status_code, sent(browser)) == (409, before)
    assert "A message went out from this form before." in page
    assert 'value="Something else"' in page
    again = post(browser, **{**fields, "key": hidden(page, "key")}, subject="Something else")
    assert "Message sent" in again.get_data(as_text=True)


def test_a_corrected_list_of_the_same_length_is_another_message_and_the_same_list_is_not(stack: Stack) -> None:
    browser = stack.browser("pri")
    fields = {"key": "form with a list", "step": "send", "audience": "list"}

    def send(address: str) -> Any:
        return post(browser, **fields, list=(io.BytesIO(f"name,email\nAnna,{address}\n".encode()), "list.csv"))

    assert [send("ana@example.org").status_code for _ in range(2)] == [200, 200]
    before = sent(browser)
    corrected = send("anna@example.org")
    page = corrected.get_data(as_text=True)
    assert (corrected.status_code, sent(browser)) == (409, before)
    assert "A message went out from this form before." in page
    fields |= {"key": hidden(page, "key"), "list_id": hidden(page, "list_id")}
    assert "Message sent" in post(browser, **fields).get_data(as_text=True)


@pytest.mark.accepts(60, 64)
def test_what_is_sent_now_may_be_of_no_use_after_a_time(stack: Stack) -> None:
    browser, zone = stack.browser("pri"), stack.gateway.zone
    local = datetime.now(zone).replace(second=0, microsecond=0) + timedelta(hours=5)
    fields = {"key": "while it lasts", "no_use_after": f"{local:%Y-%m-%dT%H:%M}", "step": "send", "role": "student"}
    assert "Message sent" in post(browser, **fields).get_data(as_text=True)
    body = {"idempotency_key": "soup", "subject": "Soup", "body": "Soup.", "channels": ["email"]}
    others = {"audience": {"roles": ["student"]}, "expires_at": local.isoformat()}
    message = browser.send_json("POST", "/api/v1/messages", {**body, **others}).get_json()
    rows = browser.get(f"/api/v1/entries/{message['entries'][0]['entry_id']}/recipients").get_json()["deliveries"]
    ends = {datetime.fromisoformat(each["expires_at"]) for each in rows if each["expires_at"]}
    assert ends == {local}


@pytest.mark.parametrize(
    "changes",
    [
        {"no_use_after": "2020-01-01T08:00"},
        {"no_use_after": "2999-01-01T08:00"},
        {"no_use_after": "soon"},
        {"no_use_after": "soon", "when": "later", "start_date": "2099-01-01", "send_time": "07:00"},
        {"no_use_after": "2099-01-01T06:00", "when": "later", "start_date": "2099-01-01", "send_time": "07:00"},
    ],
)
def test_a_time_of_no_use_that_cannot_be_stands_at_its_field(stack: Stack, changes: dict[str, Any]) -> None:
    answer = post(stack.browser("pri"), **changes)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, 'aria-describedby="error-expires_at"' in page) == (400, True)
    assert f'value="{changes["no_use_after"]}"' in page


@pytest.mark.accepts(227, 232)
def test_an_uploaded_list_is_neither_offered_nor_taken_in_an_excluded_school(stack: Stack) -> None:
    browser = stack.browser("both")
    for title, is_offered in (("Ridge High", False), ("Lincoln High", True)):
        school = next(each for each in browser.get("/api/v1/schools").get_json()["schools"] if each["title"] == title)
        browser.send_json("PUT", "/api/v1/preferences/school", {"school_id": school["school_id"]})
        assert ('name="audience" value="list"' in browser.get("/compose").get_data(as_text=True)) is is_offered
        file = (io.BytesIO(b"name,email\nAna,ana@example.org\n"), "list.csv")
        answer = post(browser, audience="list", list=file, key=f"list at {title}", step="send")
        says = "Message sent" if is_offered else "Ridge High is excluded from communication"
        assert (answer.status_code, says in answer.get_data(as_text=True)) == (200 if is_offered else 400, True)
        if not is_offered:
            # It is no message to families meanwhile.
            again = filled(answer.get_data(as_text=True), "/compose")
            assert again["audience"] == ["list"]
            assert browser.post("/compose", {**again, "step": "preview"}, page="/compose").status_code == 400


@pytest.mark.accepts(232)
def test_what_was_previewed_goes_from_the_school_in_which_it_was_begun(stack: Stack) -> None:
    browser = stack.browser("both")
    ids = {each["title"]: each["school_id"] for each in browser.get("/api/v1/schools").get_json()["schools"]}
    browser.send_json("PUT", "/api/v1/preferences/school", {"school_id": ids["Lincoln High"]})
    form = filled(browser.get("/compose").get_data(as_text=True), "/compose")
    # In another tab, before the preview and again after it.
    browser.send_json("PUT", "/api/v1/preferences/school", {"school_id": ids["Ridge High"]})
    shown = browser.post("/compose", {**form, "subject": "Of Lincoln", "body": "Hello."}).get_data(as_text=True)
    answer = browser.post("/compose", {**filled(shown, "/compose"), "step": "send"})
    assert "Message sent" in answer.get_data(as_text=True)
    with psycopg.connect(stack.environments["queue"]["DATABASE_URL"]) as connection:
        query = "SELECT sender_school_id::text, from_title FROM messages WHERE subject = 'Of Lincoln'"
        assert connection.execute(query).fetchall() == [(ids["Lincoln High"], "Lincoln High")]


@pytest.mark.accepts(314)
def test_a_key_that_was_used_for_others_of_the_same_summary_is_refused(stack: Stack) -> None:
    browser, people = stack.browser("pri"), list(stack.people.values())
    body = {"idempotency_key": "four people", "subject": "Hello", "body": "Hello.", "channels": ["email"]}

    def send(fourth: str) -> Any:
        return browser.send_json(
            "POST", "/api/v1/messages", {**body, "audience": {"person_ids": [*people[:3], fourth]}}
        )

    assert [send(people[3]).status_code for _ in range(2)] == [200, 200]
    other = send(people[4])
    assert (other.status_code, other.get_json()["reason"]) == (409, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("person", ["pri", "amy"])
@pytest.mark.parametrize("step", ["send", "preview"])
def test_what_was_written_stays_while_the_queue_is_away_and_goes_out_once_afterwards(
    stack: Stack, person: str, step: str
) -> None:
    browser = stack.browser(person)
    fields: dict[str, Any] = {"key": f"{person} in a storm, {step}", "step": step, "subject": "Storm"}
    if person == "amy":
        fields["person"] = stack.people["tea"]
    with away(stack, queue=queue_pb2_grpc.QueueServiceStub):
        refused = post(browser, **fields)
    page = refused.get_data(as_text=True)
    assert (refused.status_code, "What you wrote is kept on this page" in page) == (503, True)
    assert 'value="Storm"' in page
    assert ">Bring a smile.</textarea>" in page
    assert hidden(page, "key") == fields["key"]
    before = sent(browser).count("Storm")
    for _ in range(2):
        assert "Message sent" in post(browser, **{**fields, "step": "send"}).get_data(as_text=True)
    assert sent(browser).count("Storm") == before + 1


@pytest.mark.parametrize(("step", "pieces"), [("preview", 0), ("preview", 1), ("send", 1)])
def test_what_was_written_stays_when_directory_breaks_off_while_recipients_are_read(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, step: str, pieces: int
) -> None:
    browser, directory = stack.browser("pri"), stack.gateway.clients.directory
    resolve = directory.ResolveAudience

    def break_off(*asked: Any, **how: Any) -> Iterator[Any]:
        yield from islice(resolve(*asked, **how), pieces)
        raise Unavailable("DATABASE_BUSY", "Every connection is in use.", retry_after_seconds=1)

    monkeypatch.setattr(directory, "ResolveAudience", break_off)
    fields = {"key": f"broken off, {step}, {pieces}", "subject": f"Half read, {step}, {pieces}"}
    refused = post(browser, **fields, step=step)
    page = refused.get_data(as_text=True)
    assert (refused.status_code, "What you wrote is kept on this page" in page) == (503, True)
    assert (hidden(page, "key"), f'value="{fields["subject"]}"' in page) == (fields["key"], True)
    body = {"idempotency_key": "broken off", "subject": "Hello", "body": "Hello.", "channels": ["email"]}
    answer = browser.send_json("POST", "/api/v1/messages", {**body, "audience": {"roles": ["parent"]}})
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "1")
    monkeypatch.undo()
    assert fields["subject"] not in sent(browser)
    assert "Message sent" in post(browser, **fields, step="send").get_data(as_text=True)


def screenings(stack: Stack, name: str) -> dict[str, str]:
    """Where the screening of each of a person's messages stands, by subject."""
    with psycopg.connect(stack.environments["queue"]["DATABASE_URL"]) as connection:
        query = "SELECT subject, screening FROM messages WHERE sender_id = %s"
        return dict(connection.execute(query, [stack.people[name]]).fetchall())


@pytest.mark.accepts(162)
def test_a_students_reply_and_group_message_wait_for_their_verdict_and_a_draft_asks_for_none(stack: Stack) -> None:
    teacher, student = stack.browser("tea"), stack.browser("amy")
    amy, tea, pri = (stack.people[name] for name in ("amy", "tea", "pri"))
    written = {"subject": "Your essay", "body": "Come and see me.", "channels": ["email"]}
    body = {**written, "idempotency_key": "to amy", "audience": {"person_ids": [amy]}}
    first = teacher.send_json("POST", "/api/v1/messages", body).get_json()["message_id"]
    before = screenings(stack, "amy")
    draft = post(student, person=tea, subject="A draft", kind="poll", edit="question")
    assert (draft.status_code, screenings(stack, "amy")) == (200, before)
    reply = post(student, person=tea, subject="Re: Your essay", in_reply_to=first, key="a reply", step="send")
    group = post(student, person=[tea, pri], subject="To both of you", key="a group", step="send")
    assert [each.status_code for each in (reply, group)] == [200, 200]
    after = screenings(stack, "amy")
    assert {after[name] for name in ("Re: Your essay", "To both of you")} == {"waiting"}
    assert screenings(stack, "tea")["Your essay"] == "not_needed"
    assert "To both of you" not in teacher.get("/inbox").get_data(as_text=True)


@pytest.mark.accepts(163)
def test_a_students_message_with_a_file_is_refused_and_says_why(stack: Stack) -> None:
    student = stack.browser("amy")
    before = screenings(stack, "amy")
    fields = {"person": stack.people["tea"], "subject": "With a file", "key": "a file", "step": "send"}
    refused = post(student, **fields, attachment=(io.BytesIO(b"I will burn it down."), "plan.txt"))
    page = refused.get_data(as_text=True)
    assert (refused.status_code, "A message carries no files." in page) == (400, True)
    assert 'value="With a file"' in page
    body: dict[str, Any] = {"idempotency_key": "file", "subject": "File", "body": "Look.", "channels": ["email"]}
    body |= {
        "audience": {"person_ids": [stack.people["tea"]]},
        "attachments": [{"name": "plan.txt", "content": "eA=="}],
    }
    answer = student.send_json("POST", "/api/v1/messages", body)
    assert answer.status_code == 400
    assert "/attachments" in [each["pointer"] for each in answer.get_json()["errors"]]
    assert screenings(stack, "amy") == before


def limited(stack: Stack, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Begin to count anew how many messages a person sends, up to fewer than usual."""
    monkeypatch.setattr(composing, "_MOST_MESSAGES", most)
    with stack.gateway.engine.begin() as connection:
        connection.execute(sa.delete(sign_in_attempts))


@pytest.mark.parametrize("name", ["amy", "mum"])
def test_who_is_not_staff_waits_after_many_messages_and_keeps_what_was_written(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    limited(stack, monkeypatch, 3)
    browser, tea = stack.browser(name), stack.people["tea"]
    written = {"subject": "Often", "body": "Hello.", "channels": ["email"], "audience": {"person_ids": [tea]}}

    def send(key: str) -> Any:
        return browser.send_json("POST", "/api/v1/messages", {**written, "idempotency_key": f"{name} {key}"})

    assert [send(key).status_code for key in ("1", "2", "1", "2", "3", "4", "4")] == [200] * 5 + [429] * 2
    assert send("3").get_json()["is_repeat"], "it was counted when it went out"
    refused = send("4")
    assert (refused.get_json()["reason"], 0 < int(refused.headers["Retry-After"]) <= 900) == ("TOO_MANY_MESSAGES", True)
    fields = {"key": f"{name} in a loop", "person": tea, "subject": "Often, once more", "step": "send"}
    again = post(browser, **fields)
    page = again.get_data(as_text=True)
    assert (again.status_code, 0 < int(again.headers["Retry-After"]) <= 900) == (429, True)
    assert "You sent 3 messages in a quarter of an hour." in page
    assert ('value="Often, once more"' in page, ">Bring a smile.</textarea>" in page) == (True, True)
    assert hidden(page, "key") == fields["key"]
    stack.clock.later = timedelta(minutes=16)
    assert "Message sent" in post(browser, **fields).get_data(as_text=True)


def test_staff_send_as_many_messages_as_they_like(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(stack, monkeypatch, 1)
    browser, pri = stack.browser("tea"), stack.people["pri"]
    body = {"subject": "Often", "body": "Hello.", "channels": ["email"], "audience": {"person_ids": [pri]}}
    answers = [browser.send_json("POST", "/api/v1/messages", {**body, "idempotency_key": f"t{n}"}) for n in range(3)]
    assert [each.status_code for each in answers] == [200] * 3
