"""What is lent crosses the wire unchanged, and nothing but a whole reply of the same model is taken for a judgement."""

from collections.abc import Callable

import pytest

from protos.moderation.v1 import lending_pb2 as pb
from services.moderation import loans
from services.moderation.domain import Category, Explanation, Judgement
from services.moderation.loans import NotLent
from services.moderation.providers.base import Text

SCORES = {name: 0.012345 * (place + 1) for place, name in enumerate(Category)}
JUDGED = Judgement(SCORES, "embedded", "m1", {Category.THREAT: Explanation("i will", ("will",))}, True, "fr")


def test_a_judgement_crosses_the_wire_unchanged() -> None:
    reply = loans.reply_of([JUDGED, JUDGED], "m1")
    assert loans.judgements_of(reply, 2, "m1") == [JUDGED, JUDGED]


def test_only_texts_and_languages_are_asked() -> None:
    asked = loans.request_of([Text("Hi", "en", "message", "author", "conversation"), Text("Salut", "", "", "", "")])
    assert loans.texts_of(asked) == [Text("Hi", "en", "", "", ""), Text("Salut", "", "", "", "")]
    assert b"author" not in asked


def test_one_who_has_enough_to_do_is_known_from_one_who_is_wrong() -> None:
    with pytest.raises(NotLent, match="busy"):
        loans.judgements_of(loans.busy_reply(), 1, "m1")


def changed(change: Callable[[pb.ScoresReply], object]) -> bytes:
    reply = pb.ScoresReply.FromString(loans.reply_of([JUDGED], "m1"))
    change(reply)
    return reply.SerializeToString()


WRONG = {
    "nothing": b"",
    "no message": b"\xff\xff\xff",
    "too large": changed(lambda reply: setattr(reply.texts[0].scores[0].explanation, "sentence", "x" * 262_144)),
    "another model": changed(lambda reply: setattr(reply, "model", "m2")),
    "no text": changed(lambda reply: reply.ClearField("texts")),
    "a text too many": changed(lambda reply: reply.texts.add()),
    "a score missing": changed(lambda reply: reply.texts[0].scores.pop()),
    "a score twice": changed(lambda reply: setattr(reply.texts[0].scores[0], "category", 2)),
    "an unknown label": changed(lambda reply: setattr(reply.texts[0].scores[0], "category", 99)),
    "no probability": changed(lambda reply: setattr(reply.texts[0].scores[0], "score", 1.5)),
    "no number": changed(lambda reply: setattr(reply.texts[0].scores[0], "score", float("nan"))),
    "what a database refuses": changed(lambda reply: setattr(reply.texts[0].scores[0].explanation, "sentence", "\x00")),
}


@pytest.mark.parametrize("reply", WRONG.values(), ids=WRONG.keys())
def test_what_is_not_a_whole_reply_of_the_same_model_is_wrong(reply: bytes) -> None:
    with pytest.raises(NotLent, match="wrong"):
        loans.judgements_of(reply, 1, "m1")


@pytest.mark.parametrize("asked", [b"\xff\xff", b"x" * 262_145, loans.request_of([Text("x" * 4_001, "", "", "", "")])])
def test_what_nobody_of_ours_asks_is_refused(asked: bytes) -> None:
    with pytest.raises(ValueError, match=r"too|not"):
        loans.texts_of(asked)


def test_the_subject_is_of_no_stream_and_names_the_model() -> None:
    first, *_, last = loans.subject_of("m1").split(".")
    assert (first, len(last)) == ("scores", 12)
    assert loans.subject_of("m1") != loans.subject_of("m2")
