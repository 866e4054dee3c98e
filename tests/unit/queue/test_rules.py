"""Contacts, failures, consent words, and who may send what."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.kit.auth import Caller, Viewer
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied, ServiceError
from services.queue.actions.answers import kind_of
from services.queue.actions.consenting import heard
from services.queue.actions.standing import Known, KnownSchool, KnownSender, check_draft, decide
from services.queue.contacts import normal_email, normal_number
from services.queue.domain import Lane, Source, State
from services.queue.failures import _failures, coded, explain, is_passing, meaning
from services.queue.providers.base import Answer, Handed
from services.queue.records import (
    ROLE_ADMIN,
    ROLE_PARENT,
    ROLE_STUDENT,
    ROLE_TEACHER,
    TYPE_IMPORTED,
    Addressee,
    Addressees,
    Draft,
    Receipt,
    Sender,
)
from services.queue.words import moment

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DRAFT = Draft("key", Sender("p1", "Forged Name", ROLE_TEACHER, "s1"), "Hello", "Text", [("email", "")])
SCHOOLS = {"s1": KnownSchool("Lincoln High", is_excluded=False), "s2": KnownSchool("Ridge High", is_excluded=True)}
_KINDS = {"permanent", "temporary", "ours", "sender", "account", "busy", "opted_out", "expired"}
EVERY = frozenset({"send_messages", "send_to_staff", "send_emergency", "send_as_district"})


def _caller(*permissions: str, role: str = "teacher", person_id: str = "p1") -> Caller:
    viewer = Viewer(person_id, "Name", role, frozenset(permissions), frozenset({"s1", "s2"}), all_users=False)
    return Caller(person_id, frozenset({"queue.submit"}), viewer)


def _known(role: int = ROLE_TEACHER, *, school: str = "s1", on: bool = True) -> Known:
    sender = KnownSender("p1", "Real Name", role, [school], "10" if role == ROLE_STUDENT else "", EVERY)
    return Known(sender, SCHOOLS, {"call_out": on, "moderation_api": on})


def _refusal(draft: Draft, caller: Caller, known: Known) -> str:
    with pytest.raises(ServiceError) as caught:
        decide(draft, caller, known)
    return caught.value.reason


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (" Ana.Diaz@Example.ORG ", "ana.diaz@example.org"),
        ("no address", ""),
        ("a@b", ""),
        ("two@@example.org", ""),
        ("ü@example.org", "ü@example.org"),
    ],
)
def test_email_addresses_have_one_form(given: str, normal: str) -> None:
    assert normal_email(given) == normal


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("(212) 555-0123", "+12125550123"),
        ("+12125550123", "+12125550123"),
        ("12", ""),
        ("call me", ""),
        ("+44 20 7946 0123", "+442079460123"),
    ],
)
def test_numbers_have_one_form(given: str, normal: str) -> None:
    assert normal_number(given) == normal


@pytest.mark.accepts(61, 99)
def test_every_failure_has_a_sentence_and_a_remedy() -> None:
    for (provider, code), failure in _failures().items():
        assert failure.kind in _KINDS, (provider, code)
        assert failure.sentence.endswith("."), (provider, code)
        assert failure.remedy.endswith("."), (provider, code)
    assert explain("twilio", "30005").sentence == "The number is not in service."
    assert explain("twilio", "99999") == explain("twilio", "*")
    assert explain("ses", "Bounce/Undetermined/Undetermined") == explain("ses", "Bounce/Undetermined")
    assert explain("unheard", "x") == explain("lantern", "*")


@pytest.mark.accepts(61, 311)
@pytest.mark.parametrize(
    ("provider", "status", "code", "kind"),
    [
        ("ses", 403, "UnrecognizedClientException", "account"),
        ("ses", 403, "InvalidSignatureException", "account"),
        ("ses", 403, "AccessDeniedException", "account"),
        ("ses", 400, "MailFromDomainNotVerifiedException", "account"),
        ("ses", 400, "ExpiredTokenException", "account"),
        ("ses", 400, "AccountSuspendedException", "account"),
        ("ses", 400, "SendingPausedException", "account"),
        ("ses", 403, "NobodyHasHeardOfThis", "account"),
        ("ses", 400, "NobodyHasHeardOfThis", "permanent"),
        ("ses", 400, "LimitExceededException", "account"),
        ("ses", 429, "", "busy"),
        ("sns", 403, "InvalidClientTokenId", "account"),
        ("sns", 403, "SignatureDoesNotMatch", "account"),
        ("sns", 400, "Throttling", "busy"),
        ("aws_sms", 400, "AccessDeniedException", "account"),
        ("aws_sms", 403, "UnrecognizedClientException", "account"),
        ("aws_voice", 403, "UnrecognizedClientException", "account"),
        ("aws_voice", 400, "ConflictException", "account"),
        ("aws_voice", 400, "ConflictException/DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", "ours"),
        ("aws_voice", 400, "ServiceQuotaExceededException/MONTHLY_SPEND_LIMIT_REACHED_FOR_VOICE", "account"),
        ("aws_voice", 400, "ServiceQuotaExceededException/DAILY_DESTINATION_CALL_LIMIT", "permanent"),
        ("aws_voice", 400, "ValidationException/INVALID_PARAMETER", "permanent"),
        ("aws_voice", 400, "ValidationException/VOICE_CAPABILITY_NOT_AVAILABLE", "account"),
        ("aws_voice", 400, "ThrottlingException", "busy"),
        ("twilio", 401, "20003", "account"),
        ("twilio", 403, "20005", "account"),
        ("twilio", 401, "401", "account"),
        ("twilio", 403, "29999", "account"),
        ("twilio", 403, "21408", "ours"),
        ("twilio", 400, "21211", "permanent"),
        ("twilio", 400, "21659", "sender"),
        ("twilio", 400, "21660", "sender"),
        ("twilio", 400, "21661", "sender"),
        ("twilio", 400, "21611", "busy"),
        ("twilio", 429, "63038", "account"),
        ("twilio_voice", 400, "10001", "account"),
        ("twilio_voice", 400, "10004", "busy"),
    ],
)
def test_faults_of_our_account_and_want_of_room_are_told_from_faults_of_a_contact(
    provider: str, status: int, code: str, kind: str
) -> None:
    found = coded(provider, status, code)
    assert explain(provider, found).kind == kind
    assert is_passing(provider, found) == (kind in {"account", "busy"})


def test_answers_have_the_class_of_what_was_refused() -> None:
    given = {
        "21211": (Answer.REFUSED, "permanent"),
        "20003": (Answer.UNREACHABLE, "account"),
        "21212": (Answer.UNREACHABLE, "sender"),
        "20429": (Answer.UNREACHABLE, "busy"),
        "503": (Answer.UNREACHABLE, ""),
        "20500": (Answer.UNSURE, ""),
        "": (Answer.TAKEN, ""),
    }
    for code, (answer, kind) in given.items():
        assert kind_of("twilio", Handed(1, answer, code=code)) == kind


def test_receipts_mean_what_the_vendors_say() -> None:
    def said(provider: str, status: str, code: str = "") -> object:
        return meaning(Receipt(provider, "id", "", status, code, NOW))

    hard = meaning(Receipt("ses", "id", "", "Bounce", "Permanent/General", NOW))
    assert hard is not None
    assert (hard.state, hard.error_code, hard.is_hard_bounce) == (State.ERROR, "Bounce/Permanent/General", True)
    soft = meaning(Receipt("ses", "id", "", "Bounce", "Transient/MailboxFull", NOW))
    assert soft is not None
    assert not soft.is_hard_bounce
    stop = meaning(Receipt("twilio", "id", "", "failed", "21610", NOW))
    assert stop is not None
    assert stop.state is State.OPTED_OUT
    assert said("twilio", "no such status") is None
    assert said("carrier pigeon", "delivered") is None


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (" STOP ", "stopped"),
        ("Unsubscribe", "stopped"),
        ("start", "started"),
        ("Help", "help"),
        ("Stop it!", "ignored"),
    ],
)
def test_words_of_consent(text: str, action: str) -> None:
    assert heard(text).action == action


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"subject": "x" * 201}, "/subject"),
        ({"body": "x" * 20_001}, "/body"),
        ({"body": "zero\x00"}, "/body"),
        ({"idempotency_key": ""}, "/idempotency_key"),
        ({"channels": []}, "/channels"),
        ({"channels": [("sms", "x" * 1_601)]}, "/channels/0/text"),
        ({"channels": [("push", "x" * 1_001)]}, "/channels/0/text"),
        ({"channels": [("channel 9", "")]}, "/channels/0/channel"),
        ({"channels": [("email", ""), ("email", "")]}, "/channels/1/channel"),
        ({"subject": " ", "body": ""}, "/body"),
    ],
)
def test_wrong_messages_are_refused_at_their_place(change: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_draft(replace(DRAFT, **change))  # type: ignore[arg-type]
    assert pointer in [each.pointer for each in caught.value.violations]


def test_longest_message_is_taken() -> None:
    check_draft(replace(DRAFT, subject="x" * 200, body="x" * 20_000, channels=[("email", ""), ("sms", "x" * 1_600)]))


@pytest.mark.accepts(4, 47)
def test_rights_are_needed() -> None:
    known = _known()
    assert decide(DRAFT, _caller("send_messages"), known).sender.name == "Real Name"
    assert _refusal(DRAFT, _caller(), known) == "SENDING_NOT_ALLOWED"
    assert _refusal(DRAFT, _caller("send_messages", person_id="p2"), known) == "SENDER_NOT_SELF"
    emergency = replace(DRAFT, is_emergency=True, channels=[("tts", "")])
    assert _refusal(emergency, _caller("send_messages"), known) == "EMERGENCY_NOT_ALLOWED"
    decide(emergency, _caller("send_messages", "send_emergency"), known)
    district = replace(DRAFT, source=Source.DISTRICT)
    assert _refusal(district, _caller("send_messages"), known) == "DISTRICT_NOT_ALLOWED"
    decide(district, _caller("send_messages", "send_as_district"), known)
    for lane in (Lane.ALERT, Lane.EMERGENCY):
        assert _refusal(replace(DRAFT, lane=lane), _caller("send_messages"), known) == "LANE_NOT_ALLOWED"
        lunch, notify = Caller("lunch", frozenset({"queue.submit"})), Caller("notify", frozenset({"queue.alerts"}))
        assert _refusal(replace(DRAFT, lane=lane), lunch, known) == "LANE_NOT_ALLOWED"
        decide(replace(DRAFT, lane=lane), notify, known)


@pytest.mark.accepts(160, 174)
def test_only_students_are_screened_and_only_when_it_is_on() -> None:
    caller = _caller("send_to_staff", role="student")
    assert decide(DRAFT, caller, _known(ROLE_STUDENT)).is_screened
    assert not decide(DRAFT, caller, _known(ROLE_STUDENT, on=False)).is_screened
    assert not decide(DRAFT, caller, _known(ROLE_PARENT)).is_screened
    assert not decide(DRAFT, _caller("send_messages"), _known()).is_screened
    # A service cannot make a student a teacher by saying so.
    assert decide(DRAFT, Caller("sis", frozenset({"queue.submit"})), _known(ROLE_STUDENT)).is_screened


def _addressee(role: int, school_id: str) -> Addressee:
    return Addressee("x", "X", role, school_id, "", "", "", "", "en", "x@example.org", "", "", True, "", "", 1)


def test_students_write_to_staff_alone() -> None:
    standing = decide(DRAFT, _caller("send_to_staff", role="student"), _known(ROLE_STUDENT))
    standing.check_recipients(Addressees.of([_addressee(ROLE_TEACHER, "s1")]), 0)
    with pytest.raises(PermissionDenied):
        standing.check_recipients(Addressees.of([_addressee(ROLE_PARENT, "s1")]), 0)


@pytest.mark.accepts(13, 226, 227, 229, 231)
def test_excluded_schools_and_the_call_out_system() -> None:
    sms = replace(DRAFT, channels=[("sms", "")])
    with pytest.raises(FailedPrecondition):
        decide(sms, _caller("send_messages"), _known(on=False))
    known = _known(school="s2")
    mine = replace(DRAFT, sender=replace(DRAFT.sender, school_id="s2"), from_title="The District")
    standing = decide(replace(mine, source=Source.DISTRICT), _caller("send_messages"), known)
    assert (standing.is_excluded, standing.from_title) == (True, "Ridge High")
    with pytest.raises(FailedPrecondition):
        decide(replace(mine, channels=[("sms", "")]), _caller("send_messages"), known)
    standing.check_recipients(Addressees.of([_addressee(ROLE_PARENT, "s2")]), 0)
    for stranger in (
        _addressee(ROLE_PARENT, "s1"), _addressee(ROLE_PARENT, ""), _addressee(0, "")._replace(type=TYPE_IMPORTED),
    ):  # fmt: skip
        with pytest.raises(PermissionDenied) as caught:
            standing.check_recipients(Addressees.of([stranger]), 0)
        assert caught.value.reason == "SCHOOL_EXCLUDED"


@pytest.mark.accepts(227)
def test_a_principal_who_names_no_school_writes_from_their_own() -> None:
    unnamed = replace(DRAFT, sender=replace(DRAFT.sender, school_id=""))
    principal = KnownSender("p1", "Real Name", ROLE_ADMIN, ["s2"], "", EVERY, frozenset({"s2"}))
    known = Known(principal, SCHOOLS, {"call_out": True})
    standing = decide(unnamed, Caller("sis", frozenset()), known)
    assert (standing.sender.school_id, standing.is_excluded) == ("s2", True)
    district = replace(known, sender=replace(principal, visible_schools=frozenset({"*"})))
    assert decide(unnamed, Caller("sis", frozenset()), district).sender.school_id == ""


def test_who_sees_no_school_reaches_nobody_of_any() -> None:
    caller = _caller("send_messages")
    assert caller.viewer
    nowhere = replace(caller, viewer=replace(caller.viewer, schools=frozenset()))
    standing = decide(replace(DRAFT, sender=replace(DRAFT.sender, school_id="")), nowhere, _known())
    with pytest.raises(PermissionDenied) as caught:
        standing.check_recipients(Addressees.of([_addressee(ROLE_PARENT, "s1")]), 0)
    assert caught.value.reason == "RECIPIENT_OUT_OF_SCOPE"


@pytest.mark.parametrize("seconds", [253_402_300_799, -(10**17), 10**17])
def test_a_time_after_which_nothing_could_expire_is_refused(seconds: int) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        moment(Timestamp(seconds=seconds))
    assert refusal.value.reason == "TIME_INVALID"


@pytest.mark.accepts(306)
@pytest.mark.parametrize(
    ("body", "action"),
    [
        ("¡Alto!", "stopped"),
        ("CANCELAR", "stopped"),
        ("Sispann", "stopped"),
        ("sair.", "stopped"),
        ("Arrêt", "stopped"),
        ("Empezar", "started"),
        ("Kòmanse", "started"),
        ("COMEÇAR", "started"),
        ("démarrer", "started"),
        ("ayuda", "help"),
        ("èd", "help"),
        ("Ajuda", "help"),
        ("aide", "help"),
        ("stop the bus", "ignored"),
        ("pare de ligar", "ignored"),
        ("...", "ignored"),
    ],
)
def test_families_stop_start_and_ask_in_their_language(body: str, action: str) -> None:
    assert heard(body).action == action
