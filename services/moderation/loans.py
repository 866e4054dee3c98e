"""What is lent: under which subject, how much at a time, and its texts and judgements on the wire."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.message import DecodeError

from protos.moderation.v1 import lending_pb2 as pb
from services.moderation.domain import Category, Explanation, Judgement
from services.moderation.messages import CATEGORIES, CATEGORY_OF
from services.moderation.providers.base import Text

MOST_CHARACTERS = 4_000
"""Of a message's texts together. Longer ones take so long that whoever asked would not wait for the end."""
MOST_BYTES = 256 * 1024
"""Of a request, and of a reply."""
PROVIDER = "embedded"
"""Whose judgements they are, whoever's processor they took."""
_MODEL = Path(__file__).with_name("model")


class NotLent(Exception):
    """Nobody judged the texts in our place; its text is a constant word for the metrics (`busy`, `late`, …)."""


def subject_of(model: str) -> str:
    """Return where the scores of this version of the model, read by this very code, are asked for.

    Releases that would judge differently never hear of each other. No stream's subjects begin with `scores`.
    """
    digest = hashlib.sha256()
    for path in sorted([*_MODEL.glob("*.py"), *_MODEL.glob("tables/*.json")]):
        digest.update(path.read_bytes())
    return f"scores.v1.{model}.{digest.hexdigest()[:12]}"


def is_short(texts: Sequence[Text]) -> bool:
    """Return whether the texts of a message are short enough to be lent out."""
    return sum(len(each.text) for each in texts) <= MOST_CHARACTERS


def request_of(texts: Sequence[Text]) -> bytes:
    """Return what is asked: the texts and their languages, and nothing that says whose they are."""
    wanted = [pb.ScoresRequest.Text(text=each.text, language=each.language) for each in texts]
    return pb.ScoresRequest(texts=wanted).SerializeToString()


def texts_of(request: bytes) -> list[Text]:
    """Return the texts that are asked about. ValueError for what nobody of ours asks."""
    if len(request) > MOST_BYTES:
        raise ValueError("too large")
    try:
        wanted = pb.ScoresRequest.FromString(request).texts
    except DecodeError as problem:
        raise ValueError("not a ScoresRequest") from problem
    texts = [Text(each.text, each.language, "", "", "") for each in wanted]
    if not is_short(texts):
        raise ValueError("too long")
    return texts


def busy_reply() -> bytes:
    """Return the reply of one who has enough to do."""
    return pb.ScoresReply(is_busy=True).SerializeToString()


def reply_of(judged: Sequence[Judgement], model: str) -> bytes:
    """Return the reply with the judgement on each text."""
    return pb.ScoresReply(model=model, texts=[_message(each) for each in judged]).SerializeToString()


def _message(judged: Judgement) -> pb.TextScores:
    message = pb.TextScores(is_uncertain=judged.is_uncertain, language=judged.language)
    for name, score in judged.scores.items():
        added = message.scores.add(category=CATEGORIES[name], score=score)
        if why := judged.explanations.get(name):
            added.explanation.MergeFrom(pb.TextScores.Explanation(sentence=why.sentence, words=why.words))
    return message


def judgements_of(reply: bytes, texts: int, model: str) -> list[Judgement]:
    """Return the judgements on so many texts by this version of the model. NotLent for anything else."""
    try:
        answer = pb.ScoresReply.FromString(reply) if len(reply) <= MOST_BYTES else pb.ScoresReply()
    except DecodeError as problem:
        raise NotLent("wrong") from problem
    if answer.is_busy:
        raise NotLent("busy")
    if answer.model != model or len(answer.texts) != texts:
        raise NotLent("wrong")
    return [_judgement(each, model) for each in answer.texts]


def _judgement(message: pb.TextScores, model: str) -> Judgement:
    """Return the judgement, once it has all ten scores, as probabilities, and nothing that a database refuses."""
    found = {CATEGORY_OF.get(each.category): each for each in message.scores}
    scores = {name: found[name].score for name in Category if name in found}
    said = "".join(part for each in message.scores for part in (each.explanation.sentence, *each.explanation.words))
    if not len(scores) == len(message.scores) == len(Category) or "\x00" in said:
        raise NotLent("wrong")
    if not all(0 <= score <= 1 for score in scores.values()):
        raise NotLent("wrong")
    why = {
        name: Explanation(found[name].explanation.sentence, tuple(found[name].explanation.words))
        for name in Category
        if found[name].HasField("explanation")
    }
    return Judgement(scores, PROVIDER, model, why, message.is_uncertain, message.language)
