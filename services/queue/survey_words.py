"""Polls and sign-ups: proto to our words and back."""

from datetime import UTC

from protos.queue.v1 import queue_pb2
from protos.types.v1 import surveys_pb2 as pb
from services.kit.errors import InvalidArgument
from services.queue.domain import SURVEYS, Channel
from services.queue.surveys import Option, Question, Survey


def survey_of(header: queue_pb2.MessageHeader, names: list[str]) -> Survey | None:
    """Return what a header's poll or sign-up asks, None without one; texts have single spaces. `names` of its channels.

    InvalidArgument for a survey on another channel, and for a closing time that is none.
    """
    found = None
    for position, (content, name) in enumerate(zip(header.channels, names, strict=True)):
        if not content.HasField("survey"):
            continue
        if name not in SURVEYS:
            wrong = [(f"/channels/{position}/survey", "Only a poll or a sign-up asks.")]
            raise InvalidArgument("MESSAGE_INVALID", "The message is not in order.", violations=wrong)
        found = found or _survey(content.survey, Channel(name), position)
    return found


def _survey(message: pb.Survey, channel: Channel, position: int) -> Survey:
    questions = [
        Question(_line(each.text), [Option(_line(one.text), one.capacity) for one in each.options])
        for each in message.questions
    ]
    closes_at = None
    if message.HasField("closes_at"):
        try:
            closes_at = message.closes_at.ToDatetime(tzinfo=UTC)
        except (ValueError, OverflowError) as problem:
            wrong = [(f"/channels/{position}/survey/closes_at", "This is no time.")]
            raise InvalidArgument("TIME_INVALID", "A time is out of range.", violations=wrong) from problem
    return Survey(channel, questions, closes_at)


def _line(text: str) -> str:
    return " ".join(text.split())


def survey_message(survey: Survey, *, with_places: bool = False) -> pb.Survey:
    """Return what is asked; with the places that are left of a sign-up, if wanted."""
    message = pb.Survey()
    if survey.closes_at:
        message.closes_at.FromDatetime(survey.closes_at)
    for number, question in enumerate(survey.questions, 1):
        asked = message.questions.add(text=question.text)
        for place, option in enumerate(question.options, 1):
            added = asked.options.add(text=option.text, capacity=option.capacity)
            if with_places and option.capacity:
                added.left = max(0, survey.left(number, place))
    return message
