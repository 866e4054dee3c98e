"""Which number is rung when, what is said in which voice, and what becomes of calls that nobody took."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.queue.actions.standing import check_draft, decide
from services.queue.calling import ROUNDS, can_be_spoken, in_turn, numbers_of, pause_before_next
from services.queue.contacts import compared, destination
from services.queue.domain import CALLS, Channel, Lane, State, batch_size
from services.queue.failures import meaning
from services.queue.providers.speech import played, said, ssml
from services.queue.records import ROLE_PARENT, ROLE_STUDENT, Receipt
from services.queue.store.redials import shared_moment
from services.queue.voices import _VOICES, standby_voice_of, voice_of
from tests.unit.queue.test_rules import DRAFT, _addressee, _caller, _known

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ONE, TWO = "+12125550101", "+12125550102"
CALL = replace(DRAFT, channels=[("tts", "")])


def _pauses(target: str, lane: Lane) -> list[float]:
    found, attempt = [], 1
    while pause := pause_before_next(target, attempt, lane, 300.0):
        found.append(pause.total_seconds())
        attempt += 1
    return found


def test_gaps_grow_and_urgent_lanes_wait_a_tenth() -> None:
    assert _pauses(ONE, Lane.NORMAL) == [300.0, 900.0]
    assert _pauses(ONE, Lane.EMERGENCY) == [30.0, 90.0]
    assert _pauses(f"{ONE},{TWO}", Lane.NORMAL) == [30.0, 300.0, 30.0, 900.0, 30.0]


@given(st.integers(1, 3), st.sampled_from(list(Lane)))
def test_every_number_is_rung_three_times_in_turn(numbers: int, lane: Lane) -> None:
    target = ",".join(f"+1212555010{n}" for n in range(numbers))
    attempts = range(1, len(_pauses(target, lane)) + 2)
    rung = [in_turn(target, attempt)[0] for attempt in attempts]
    assert rung == numbers_of(target) * ROUNDS


@given(st.timedeltas(timedelta(), timedelta(days=400)), st.timedeltas(timedelta(milliseconds=5), timedelta(hours=1)))
def test_calls_of_about_the_same_time_share_a_moment_that_is_not_before_theirs(
    after: timedelta, pause: timedelta
) -> None:
    due = NOW + after
    assert timedelta() <= shared_moment(due, pause) - due <= max(pause / 10, timedelta(milliseconds=1))


def test_people_are_called_on_their_numbers_in_order() -> None:
    person = _addressee(ROLE_PARENT, "s1")._replace(phones=f"(212) 555-0101,none,{TWO},{TWO},+12125550103")
    everything = f"{ONE},{TWO},+12125550103"
    for channel in CALLS:
        assert destination(channel, person, has_inbox=True) == (everything, "")
        assert compared(channel, [everything]) == [ONE]
        assert batch_size(channel) == 100
    imported = person._replace(phones="", mobile=ONE)
    assert destination(Channel.TTS, imported, has_inbox=True) == (ONE, "")
    assert destination(Channel.TTS, person._replace(phones=""), has_inbox=True) == ("", "NO_PHONE")
    wrong = person._replace(phones="", invalid_phone="12")
    assert destination(Channel.TTS, wrong, has_inbox=True) == ("12", "INVALID_PHONE")


def test_a_text_is_read_in_the_voice_of_its_language() -> None:
    heard = ET.fromstring(said("Tom & Ana <3", "es-MX"))  # noqa: S314 - our own document
    say = heard.find("Say")
    assert say is not None
    assert (say.text, say.get("language"), say.get("voice")) == ("Tom & Ana <3", "es-US", "Polly.Lupe-Neural")
    assert voice_of("tlh") == voice_of("en-GB") == voice_of("")
    play = ET.fromstring(played("https://x.example.org/a?b=1&c=2")).find("Play")  # noqa: S314
    assert play is not None
    assert play.text == "https://x.example.org/a?b=1&c=2"


@pytest.mark.accepts(311)
def test_the_standby_reads_the_same_text_in_its_own_voice_of_the_language() -> None:
    heard = ET.fromstring(ssml('Tom & Ana <3 "9:30"\n</speak>'))  # noqa: S314 - our own document
    assert (heard.tag, [each.tag for each in heard]) == ("speak", ["break"])
    assert "".join(heard.itertext()) == 'Tom & Ana <3 "9:30"\n</speak>'
    given = {"en": "JOANNA", "es-MX": "LUPE", "fr": "CHANTAL", "ht": "CHANTAL", "pt-BR": "CAMILA", "": "JOANNA"}
    assert {each: standby_voice_of(each) for each in given} == given
    assert standby_voice_of("tlh") == "JOANNA"
    assert {each for each in _VOICES if not standby_voice_of(each)} == {"hi", "vi"}
    known = get_session().get_service_model("pinpoint-sms-voice-v2").shape_for("VoiceId").enum
    assert {standby_voice_of(each) for each in _VOICES} - {""} <= set(known)
    assert len(ssml("&" * 720)) <= 6_000


@given(st.text())
def test_no_text_breaks_the_document_of_a_call(text: str) -> None:
    for spoken in (ssml(text), said(text, "en")):
        heard = "".join(ET.fromstring(spoken).itertext())  # noqa: S314
        assert len(heard) == len(text.replace("\r\n", "\n"))


def test_what_is_too_long_for_a_call_is_refused() -> None:
    check_draft(replace(CALL, channels=[("tts", "x" * 1_600)]))
    for text in ("x" * 1_601, "&" * 1_600):
        with pytest.raises(InvalidArgument) as caught:
            check_draft(replace(CALL, channels=[("tts", text)]))
        assert [each.pointer for each in caught.value.violations] == ["/channels/0/text"]
    assert can_be_spoken("&" * 700)
    assert len(said("&" * 720, "en")) <= 4_000


@pytest.mark.parametrize(
    ("provider", "status"),
    [
        *(("twilio_voice", each) for each in ("busy", "no-answer", "failed")),
        *(("aws_voice", each) for each in ("VOICE_BUSY", "VOICE_NO_ANSWER", "VOICE_FAILED")),
    ],
)
def test_a_call_that_nobody_took_may_be_made_again(provider: str, status: str) -> None:
    found = meaning(Receipt(provider, "CA1", "", status, "", NOW))
    assert found is not None
    assert (found.state, found.error_code, found.may_redial) == (State.ERROR, status, True)


@pytest.mark.accepts(58, 61)
@pytest.mark.parametrize(
    ("provider", "status", "code", "state"),
    [
        ("twilio_voice", "initiated", "", State.HANDED_OFF),
        ("twilio_voice", "in-progress", "", State.HANDED_OFF),
        ("twilio_voice", "completed", "", State.SENT),
        ("twilio_voice", "completed", "fax", State.ERROR),
        ("twilio_voice", "canceled", "", State.ERROR),
        ("aws_voice", "VOICE_INITIATED", "", State.HANDED_OFF),
        ("aws_voice", "VOICE_RINGING", "", State.HANDED_OFF),
        ("aws_voice", "VOICE_ANSWERED", "", State.HANDED_OFF),
        ("aws_voice", "VOICE_COMPLETED", "", State.SENT),
        ("aws_voice", "VOICE_TTL_EXPIRED", "", State.EXPIRED),
    ],
)
def test_other_calls_are_not_made_again(provider: str, status: str, code: str, state: State) -> None:
    found = meaning(Receipt(provider, "CA1", "", status, code, NOW))
    assert found is not None
    assert (found.state, found.may_redial) == (state, False)


@pytest.mark.accepts(46)
def test_only_a_call_is_an_emergency() -> None:
    everything = _caller("send_messages", "send_emergency")
    with pytest.raises(InvalidArgument) as caught:
        decide(replace(DRAFT, is_emergency=True), everything, _known())
    assert caught.value.reason == "EMERGENCY_NEEDS_CALL"
    decide(replace(CALL, is_emergency=True), everything, _known())


@pytest.mark.accepts(47)
def test_an_emergency_call_needs_the_permission() -> None:
    with pytest.raises(PermissionDenied) as caught:
        decide(replace(CALL, is_emergency=True), _caller("send_messages"), _known())
    assert caught.value.reason == "EMERGENCY_NOT_ALLOWED"


@pytest.mark.accepts(13, 226)
@pytest.mark.parametrize("channel", ["tts", "recorded"])
def test_calls_need_the_call_out_system(channel: str) -> None:
    draft = replace(DRAFT, channels=[(channel, "")])
    with pytest.raises(FailedPrecondition) as caught:
        decide(draft, _caller("send_messages"), _known(on=False))
    assert caught.value.reason == "CALL_OUT_OFF"
    excluded = replace(draft, sender=replace(draft.sender, school_id="s2"))
    with pytest.raises(FailedPrecondition) as caught:
        decide(excluded, _caller("send_messages"), _known(school="s2"))
    assert caught.value.reason == "SCHOOL_EXCLUDED"


@pytest.mark.parametrize("role", [ROLE_STUDENT, ROLE_PARENT])
def test_students_and_parents_do_not_call(role: int) -> None:
    with pytest.raises(PermissionDenied) as caught:
        decide(CALL, _caller("send_to_staff", role="student"), _known(role))
    assert caught.value.reason == "SENDING_NOT_ALLOWED"
