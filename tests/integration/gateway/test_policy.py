"""The screening policy in the browser: tried first, then saved with a reason; on real services."""

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pytest

from protos.directory.v1 import directory_pb2
from protos.moderation.v1 import moderation_pb2_grpc
from protos.queue.v1 import queue_pb2_grpc
from services.gateway.words import iso_day
from services.kit.ids import new_id
from tests.integration.gateway.policy_pages import DANGER, fields, send, write
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.integration.gateway.stack import Stack, away
from tests.integration.gateway.telling import ask_screening
from tests.integration.gateway.test_judging_again import switch
from tests.support.eventually import eventually_sync

SERVICES = (*USUAL, "moderation")


@pytest.mark.accepts(304)
def test_a_policy_is_tried_then_saved_with_a_reason(stack: Stack) -> None:
    student, district = stack.browser("amy"), stack.browser("off")
    write(student, DANGER, stack.people["tea"])

    def is_withheld() -> None:
        assert re.search(r">Self-harm [01][.]\d\d<", district.get("/reports/threats").get_data(as_text=True))

    eventually_sync(is_withheld, 30)
    address = re.search(
        r'href="(/reports/threats/[0-9a-f-]{36})"', district.get("/reports/threats").get_data(as_text=True)
    )
    assert address
    threat = district.get(address[1]).get_data(as_text=True)
    assert "judged by the embedded model" in threat
    assert '<a href="/policy/versions/1">policy 1</a>' in threat
    details = district.get(f"/alerts/{address[1].rsplit('/', 1)[1]}/details").get_data(as_text=True)
    assert re.search(r"<li>Self-harm [01][.]\d\d <span class=\"state bad\">.*Held", details)
    page = district.get("/policy").get_data(as_text=True)
    assert "Version 1 is in force" in page
    assert re.search(r"In 30 days: 1 withheld", page)
    answer = send(district, page, "try", shadow="on")
    tried = answer.get_data(as_text=True)
    assert answer.status_code == 200, tried
    assert "Of 1 message of students in the last 30 days, <strong>0</strong> would have been withheld" in tried
    assert "Shadow mode is switched on." in tried
    assert "that was withheld would have gone out." in tried
    assert "Show examples that you may see (1)" in tried
    allowing = send(district, page, "try", allowed_phrases="night riders\nold mill").get_data(as_text=True)
    assert "No message would have fared differently." in allowing
    assert "Phrases were tried on every message." in allowing
    unexplained = send(district, tried, "save")
    assert unexplained.status_code == 400
    assert "Say why in 1 to 500 characters." in unexplained.get_data(as_text=True)
    changed = send(district, tried, "save", blocked_phrases="old mill", note="A trial.").get_data(as_text=True)
    assert "The policy was changed after it was tried" in changed
    assert send(district, changed, "save", note="A trial.").status_code == 303
    saved = district.get("/policy").get_data(as_text=True)
    assert "Version 2 is in force" in saved
    assert "Ada North · A trial." in saved
    version = district.get("/policy/versions/2").get_data(as_text=True)
    assert "Blocked phrases added: old mill." in version
    assert send(district, changed, "save", note="Late.").status_code == 409


@pytest.mark.accepts(173)
def test_every_verdict_of_a_threat_says_which_scores_it_had_how_urgent_it_was_and_what_carried_it(stack: Stack) -> None:
    district = stack.browser("off")
    write(stack.browser("amy"), DANGER, stack.people["tea"])
    found: list[str] = []

    def is_listed() -> None:
        found[:] = re.findall(
            r'href="/reports/threats/([0-9a-f-]{36})" data-record',
            district.get("/reports/threats").get_data(as_text=True),
        )
        assert found

    eventually_sync(is_listed, 30)
    page = f"/reports/threats/{found[0]}"
    alone = district.get(page).get_data(as_text=True)
    assert "Every verdict" not in alone
    assert re.search(r'judged by .* under <a href="/policy/versions/1">policy 1</a>, <time ', alone)
    ask_screening(stack, "Is the gym open?", message_id=found[0])

    def are_two() -> str:
        shown = district.get(page).get_data(as_text=True).partition("Every verdict")[2].partition("</ol>")[0]
        assert shown.count("<li>") == 2
        return shown

    later, first = eventually_sync(are_two, 30).split("<li>")[1:]
    assert "Withheld" in first
    assert re.search(r'<span class="chip bad" title="Held">Self-harm [01][.]\d\d</span>', first)
    assert "Most urgent" in first
    assert re.search(r"What carried this verdict</summary><p dir=\"auto\">[^<]*end my life", first)
    assert "Clean" in later
    assert re.search(r'<span class="chip" title="Low">[A-Z][a-z -]+ [01][.]\d\d</span>', later)


def test_wrong_scores_are_named_and_an_exception_can_be_added(stack: Stack) -> None:
    district = stack.browser("off")
    page = district.get("/policy").get_data(as_text=True)
    wrong = send(district, page, "try", **{"district.threat.hold": "2"})
    assert wrong.status_code == 400
    assert "A score is a number from 0 to 1." in wrong.get_data(as_text=True)
    added = send(district, page, "exception").get_data(as_text=True)
    assert "Exception 1" in added
    tried = send(district, added, "try", **{"0.grades": "09", "0.insult.hold": "0.85"}).get_data(as_text=True)
    assert "A new exception for every school, grades 9: insult withheld from 0.85" in tried


def test_what_was_filled_in_stays_while_moderation_or_queue_is_away(stack: Stack) -> None:
    district = stack.browser("off")
    page = district.get("/policy").get_data(as_text=True)
    with away(stack, moderation=moderation_pb2_grpc.ModerationServiceStub):
        refused = send(district, page, "try", blocked_phrases="grey barn", allowed_phrases='The "Reds"')
    kept = refused.get_data(as_text=True)
    assert (refused.status_code, "What you wrote is kept on this page" in kept) == (503, True)
    again = [(name, html.unescape(value)) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', kept)]
    assert ("allowed_phrases", 'The "Reds"') in again
    sent = {name: value for name, value in again if name != "csrf_token"}
    tried = district.post("/policy", sent, page="/policy").get_data(as_text=True)
    assert "Blocked phrases added: grey barn." in tried
    wanted = {"key": new_id(), "first": "2026-11-02", "last": "2026-11-03", "reason": "A storm."}
    with away(stack, queue=queue_pb2_grpc.QueueServiceStub):
        refused = district.post("/policy/rescreenings", wanted, page="/policy")
    kept = refused.get_data(as_text=True)
    assert (refused.status_code, 'value="A storm."' in kept, wanted["key"] in kept) == (503, True, True)


def test_only_who_manages_the_policy_sees_it(stack: Stack) -> None:
    assert stack.browser("pri").get("/policy").status_code == 403
    assert "/policy" not in stack.browser("pri").get("/inbox").get_data(as_text=True)
    for unknown in (99, 10**30):
        assert stack.browser("off").get(f"/policy/versions/{unknown}").status_code == 404


@contextmanager
def principals_manage_the_policy(stack: Stack) -> Iterator[None]:
    client = stack.gateway.clients.directory
    profiles = client.ListProfiles(directory_pb2.ListProfilesRequest(), metadata=stack.operator).profiles
    was = next(each for each in profiles if each.name == "Principal")

    def allow(permissions: Sequence[str], version: int) -> int:
        change = directory_pb2.UpdateProfileRequest(profile_id=was.profile_id, permissions=permissions, version=version)
        return int(client.UpdateProfile(change, metadata=stack.operator).profile.version)

    version = allow([*was.permissions, "manage_policy"], was.version)
    yield
    allow(was.permissions, version)


def test_who_sees_one_school_is_offered_no_shadow_mode_and_keeps_that_of_the_district(stack: Stack) -> None:
    district, principal = stack.browser("off"), stack.browser("pri")
    with principals_manage_the_policy(stack):
        page = send(principal, principal.get("/policy").get_data(as_text=True), "exception").get_data(as_text=True)
        assert ("Exception 1" in page, "0.shadow" in page, "0.remove" in page) == (True, False, True)
        school = fields(page)["0.school"]
        start = send(district, district.get("/policy").get_data(as_text=True), "exception").get_data(as_text=True)
        theirs = {"0.school": school, "0.shadow": "off"}
        tried = send(district, start, "try", **theirs).get_data(as_text=True)
        assert send(district, tried, "save", note="They are not in the trial.").status_code == 303
        page = principal.get("/policy").get_data(as_text=True)
        assert "Shadow mode off. Somebody who sees the whole district set it" in page
        assert (fields(page)["0.shadow"], "0.remove" in page) == ("off", False)
        tried = send(principal, page, "try", **{"0.insult.hold": "0.85"}).get_data(as_text=True)
        assert send(principal, tried, "save", note="Ours.").status_code == 303
        page = principal.get("/policy").get_data(as_text=True)
        assert fields(page)["0.insult.hold"] == "0.85"
        tried = send(principal, page, "try", **{"0.shadow": "on"}).get_data(as_text=True)
        assert send(principal, tried, "save", note="Ours.").status_code == 403


def test_who_sees_one_school_is_told_of_its_students_alone(stack: Stack) -> None:
    principal = stack.browser("pri")
    with principals_manage_the_policy(stack):
        page = principal.get("/policy").get_data(as_text=True)
        assert "In 30 days, in your schools: " in page
        assert "Judge again what was delivered" not in page
        added = send(principal, page, "exception").get_data(as_text=True)
        theirs = {f"{added.count('<legend>Exception') - 1}.blocked_phrases": "old barn"}
        tried = send(principal, added, "try", **theirs).get_data(as_text=True)
        assert "blocked: old barn." in tried
        assert "of students of your schools in the last 30 days" in tried


def store_blocked(stack: Stack, phrase: str) -> None:
    """Store a version that blocks this phrase in the whole district, as an earlier release let somebody do."""
    with psycopg.connect(stack.environments["moderation"]["DATABASE_URL"]) as connection:
        connection.execute(
            "INSERT INTO policies (version, body, author_id, created_at) SELECT version + 1,"
            " jsonb_set(body, '{blocked_phrases}', jsonb_build_array(%s::text)), '', now()"
            " FROM policies ORDER BY version DESC LIMIT 1",
            (phrase,),
        )


def test_a_phrase_of_before_that_is_refused_now_stays_until_it_is_taken_out(stack: Stack) -> None:
    district, principal = stack.browser("off"), stack.browser("pri")
    assert district.get("/policy").status_code == 200
    store_blocked(stack, "A+")

    def is_shown() -> None:
        shown = district.get("/policy")
        assert shown.status_code == 200
        assert fields(shown.get_data(as_text=True))["blocked_phrases"].strip() == "A+"

    eventually_sync(is_shown, 5)
    with principals_manage_the_policy(stack):
        added = send(principal, principal.get("/policy").get_data(as_text=True), "exception").get_data(as_text=True)
        own = f"{added.count('<legend>Exception') - 1}.blocked_phrases"
        tried = send(principal, added, "try", **{own: "old barn"}).get_data(as_text=True)
        assert send(principal, tried, "save", note="Ours.").status_code == 303
        refused = send(principal, principal.get("/policy").get_data(as_text=True), "try", **{own: "C++"})
        said = html.unescape(refused.get_data(as_text=True))
        assert (refused.status_code, '"C++" has no word that could be found.' in said) == (400, True)
    page = district.get("/policy").get_data(as_text=True)
    tried = send(district, page, "try", blocked_phrases="").get_data(as_text=True)
    assert send(district, tried, "save", note="It held every A.").status_code == 303
    assert fields(district.get("/policy").get_data(as_text=True))["blocked_phrases"].strip() == ""


def test_versions_older_than_the_newest_fifty_are_found(stack: Stack) -> None:
    district = stack.browser("off")
    first = district.get("/policy").get_data(as_text=True)
    assert "Older versions" not in first
    with psycopg.connect(stack.environments["moderation"]["DATABASE_URL"]) as connection:
        connection.execute(
            "INSERT INTO policies (version, body, author_id, created_at) SELECT version + step, body, '', now()"
            " FROM policies, generate_series(1, 50) step WHERE version = (SELECT max(version) FROM policies)"
        )

    def are_there() -> str:
        link = re.search(
            r'href="(/policy/versions[?]before=[0-9]+)">Older versions<', district.get("/policy").get_data(as_text=True)
        )
        assert link
        return link[1]

    older = district.get(eventually_sync(are_there, 5)).get_data(as_text=True)
    assert '<a href="/policy/versions/1">Version 1</a>' in older
    assert "There is no older version." in district.get("/policy/versions?before=1").get_data(as_text=True)
    assert district.get(f"/policy/versions?before={10**30}").status_code == 200


def test_days_are_judged_again_with_a_reason_and_the_page_says_how_far_it_is(stack: Stack) -> None:
    district = stack.browser("off")
    page = "/policy"
    key = re.search(r'name="key" value="([^"]+)"', district.get(page).get_data(as_text=True))
    assert key
    today = stack.clock().date().isoformat()
    wanted = {"key": key[1], "first": today, "last": today, "reason": " "}
    refused = district.post("/policy/rescreenings", wanted, page=page)
    assert refused.status_code == 400
    assert "cannot be judged again" in refused.get_data(as_text=True)
    assert "Say why in 1 to 500 characters." in refused.get_data(as_text=True)
    backwards = district.post("/policy/rescreenings", wanted | {"first": "2026-11-09", "last": "2026-11-02"}, page=page)
    assert "The period ends after it begins." in backwards.get_data(as_text=True)
    assert district.post("/policy/rescreenings", wanted | {"last": "never"}, page=page).status_code == 400
    eternal = wanted | {"reason": "All.", "first": "0001-01-01"}
    assert district.post("/policy/rescreenings", eternal, page=page).status_code == 400
    for _ in range(2):
        assert district.post("/policy/rescreenings", wanted | {"reason": "A trial."}, page=page).status_code == 303
    shown = district.get(page).get_data(as_text=True)
    assert len(re.findall("At work", shown)) == 1
    # One day is named, not the midnights that it lies between.
    assert re.search(rf"At work</span> · {iso_day(today)} · \d", shown)
    switch(stack, on=False)
    try:
        assert "Waits: screening is switched off" in district.get(page).get_data(as_text=True)
    finally:
        switch(stack, on=True)
    other = district.post("/policy/rescreenings", wanted | {"key": new_id(), "reason": "Again."}, page=page)
    assert (other.status_code, "Wait until it is through" in other.get_data(as_text=True)) == (409, True)


def test_the_reason_is_kept_while_fields_are_mended_and_exceptions_added(stack: Stack) -> None:
    district = stack.browser("off")
    page = send(district, district.get("/policy").get_data(as_text=True), "try", shadow="on").get_data(as_text=True)
    added = send(district, page, "exception", note='After "drills".').get_data(as_text=True)
    assert html.unescape(fields(added)["note"]) == 'After "drills".'
    score = next(name for name in fields(page) if name.endswith(".hold"))
    wrong = send(district, page, "save", note="After drills.", **{score: "2"})
    assert wrong.status_code == 400
    tried = send(district, wrong.get_data(as_text=True), "try", **{score: "0.7"})
    assert fields(tried.get_data(as_text=True))["note"] == "After drills."
