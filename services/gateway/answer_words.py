"""What the pages of a poll's or a sign-up's link say, in the languages of `answering.json`, else in English."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from protos.queue.v1 import surveys_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway.words import count, moment

CATALOGUE: Final[dict[str, dict[str, str]]] = json.loads(
    Path(__file__).with_name("answering.json").read_text(encoding="utf-8")
)
"""Sentences by language and name. `months` are twelve words; `date` has both clocks to choose from."""


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
        city = self.zone.key.rpartition("/")[2].replace("_", " ")
        sentence = self.say["closed" if form.is_closed else "open"]
        return sentence.format(when=self.date(when) if when else "", zone=self.say["zone"].format(city=city))

    def date(self, when: datetime) -> str:
        """Return a moment as the language writes it, in the district's zone."""
        local, said = when.astimezone(self.zone), self.say
        return said["date"].format(
            day=local.day,
            month=said["months"].split()[local.month - 1],
            year=local.year,
            hour12=local.hour % 12 or 12,
            hour24=local.hour,
            minute=f"{local.minute:02d}",
            half=said["am" if local.hour < 12 else "pm"],
        )

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
    known = language.partition("-")[0].lower()
    return AnswerWords(known if known in CATALOGUE else "en", zone)


def browser_words(accepted: Iterable[str], zone: ZoneInfo) -> AnswerWords:
    """Return the words for somebody of whom the languages that their browser asks for are known, best first."""
    found = (answer_words(each, zone) for each in accepted if each.partition("-")[0].lower() in CATALOGUE)
    return next(found, AnswerWords("en", zone))
