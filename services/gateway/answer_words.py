"""What the pages of a poll's or a sign-up's link say, in the languages of `answering.json`, else in English."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from protos.queue.v1 import surveys_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway.words import count, moment
from services.kit.dates import is_spoken, spoken, written, zone_name

CATALOGUE: Final[dict[str, dict[str, str]]] = json.loads(
    Path(__file__).with_name("answering.json").read_text(encoding="utf-8")
)
"""Sentences by language and name."""


@dataclass(frozen=True)
class AnswerWords:
    """What a page around somebody's questions says, in one language."""

    language: str
    """As a BCP 47 tag."""
    zone: ZoneInfo
    """The district's, in which times are told."""

    @property
    def say(self) -> dict[str, str]:
        """Return the sentences without gaps by name, and those with gaps as they are."""
        return CATALOGUE[self.language]

    def heading(self, channel: types.Channel.ValueType) -> str:
        """Return what a message that asks something is called."""
        return self.say["signup" if channel == types.CHANNEL_SIGNUP else "poll"]

    def closing(self, form: pb.SurveyForm) -> str:
        """Return until when a form takes answers, or since when it takes none."""
        when = moment(form.survey.closes_at)
        sentence = self.say["closed" if form.is_closed else "open"]
        told = written(when, self.zone, self.language) if when else ""
        return sentence.format(when=told, zone=zone_name(self.zone.key, self.language))

    def left(self, places: int) -> str:
        """Return how many places of a slot are free, 1 at least."""
        return self.say["one_left" if places == 1 else "more_left"].format(count=count(places))

    def problem(self, form: pb.SurveyForm, reason: str) -> str:
        """Return why an answer was not taken."""
        if form.is_closed:
            return self.say["late"]
        return self.say["full_problem" if reason == "SLOT_FULL" else "invalid_problem"]

    def wrong(self, reason: str) -> str:
        """Return what to do at the question that is at fault."""
        return self.say["taken" if reason == "SLOT_FULL" else "choose"]


def answer_words(language: str, zone: ZoneInfo) -> AnswerWords:
    """Return the words for a form in a language, a BCP 47 tag or empty."""
    return AnswerWords(spoken(language), zone)


def browser_words(accepted: Iterable[str], zone: ZoneInfo) -> AnswerWords:
    """Return the words for somebody of whom the languages that their browser asks for are known, best first."""
    found = (answer_words(each, zone) for each in accepted if is_spoken(each))
    return next(found, AnswerWords("en", zone))
