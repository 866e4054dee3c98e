"""What polls and sign-ups ask and how they are answered: pure rules.

Both are a survey: questions with options, one of which is chosen. An option of a sign-up is a slot with a capacity.
An answer is one option for each question, counted from 1, or 0 for none; it may be changed until the survey closes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from services.kit.errors import FailedPrecondition, InvalidArgument
from services.queue.domain import SURVEYS, Channel

MAX_QUESTIONS: Final = 10
MAX_OPTIONS: Final = 10
MAX_QUESTION: Final = 300
MAX_OPTION: Final = 150
MAX_CAPACITY: Final = 1_000
LONGEST_OPEN: Final = timedelta(days=366)
LINK_KEPT: Final = timedelta(days=30)
"""How long a link shows the answer after the survey has closed."""
LINKED: Final = SURVEYS | {Channel.SMS, Channel.PUSH}
"""Channels that carry a recipient's own link to answer, when their message asks something."""
LINK_ROOM: Final = 300
"""Characters that a text leaves for it."""


@dataclass(frozen=True)
class Option:
    """One way to answer, or one slot."""

    text: str
    capacity: int = 0
    """How many may choose it; 0 for a poll's."""


@dataclass(frozen=True)
class Question:
    """One question, or what a sign-up looks for."""

    text: str
    options: Sequence[Option]


@dataclass(frozen=True)
class Survey:
    """What a poll or a sign-up asks."""

    channel: Channel
    questions: Sequence[Question]
    closes_at: datetime | None
    """None in a draft that forgot it."""
    survey_id: str = ""
    """Empty in a draft; else the id of the first entry that asks it."""
    taken: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """How often each option is chosen, by question and option from 1."""

    def left(self, question: int, option: int) -> int:
        """Return how many places of a slot are left."""
        return self.questions[question - 1].options[option - 1].capacity - self.taken.get((question, option), 0)


def problems(channels: Sequence[str], survey: Survey | None) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a draft's survey: pointer and sentence."""
    asked = [(position, name) for position, name in enumerate(channels) if name in SURVEYS]
    if not asked:
        return
    position, name = asked[0]
    if len(asked) > 1:
        yield f"/channels/{asked[1][0]}/channel", "A message has a poll or a sign-up, not both."
    if Channel.EMAIL in channels:
        yield f"/channels/{channels.index(Channel.EMAIL)}/channel", "It goes out by e-mail already: leave out E-mail."
    if survey is None:
        yield f"/channels/{position}/survey", "Ask at least one question."
        return
    at = f"/channels/{position}/survey"
    if survey.closes_at is None:
        yield f"{at}/closes_at", "Say until when answers are taken."
    if not 1 <= len(survey.questions) <= MAX_QUESTIONS:
        yield f"{at}/questions", f"1 to {MAX_QUESTIONS} questions are allowed."
    for number, question in enumerate(survey.questions[:MAX_QUESTIONS]):
        yield from _question_problems(f"{at}/questions/{number}", Channel(name), question)


def _question_problems(at: str, channel: Channel, question: Question) -> Iterator[tuple[str, str]]:
    if not 1 <= len(question.text) <= MAX_QUESTION or "\x00" in question.text:
        yield f"{at}/text", f"Write 1 to {MAX_QUESTION} characters."
    least = 2 if channel is Channel.POLL else 1
    if not least <= len(question.options) <= MAX_OPTIONS:
        yield f"{at}/options", f"{least} to {MAX_OPTIONS} are allowed."
    seen = set()
    for number, option in enumerate(question.options[:MAX_OPTIONS]):
        if not 1 <= len(option.text) <= MAX_OPTION or "\x00" in option.text:
            yield f"{at}/options/{number}/text", f"Write 1 to {MAX_OPTION} characters."
        elif option.text.casefold() in seen:
            yield f"{at}/options/{number}/text", "This is there already."
        seen.add(option.text.casefold())
        if channel is Channel.POLL and option.capacity:
            yield f"{at}/options/{number}/capacity", "Only a sign-up has a capacity."
        if channel is Channel.SIGNUP and not 1 <= option.capacity <= MAX_CAPACITY:
            yield f"{at}/options/{number}/capacity", f"Enter a number from 1 to {MAX_CAPACITY:,}."


def check_set_up(survey: Survey | None, *, has_surveys: bool) -> None:
    """Raise FailedPrecondition for a survey where no link could be signed."""
    if survey and not has_surveys:
        raise FailedPrecondition("SURVEYS_OFF", "Polls and sign-ups are not set up.")


def check_closing(survey: Survey | None, send_at: datetime) -> None:
    """Raise InvalidArgument unless the survey closes after it is sent, and within a year."""
    if survey is None or survey.closes_at is None:
        return
    if not send_at < survey.closes_at <= send_at + LONGEST_OPEN:
        wrong = [("/survey/closes_at", "Choose a time after it is sent, by 366 days at most.")]
        raise InvalidArgument("SURVEY_CLOSING_INVALID", "Its closing time does not fit.", violations=wrong)


def asked_words(survey: Survey) -> str:
    """Return the questions and options as an e-mail says them; screening reads the same words."""
    return "\n\n".join(
        "\n".join([f"{number}. {question.text}", *(f"   - {option.text}" for option in question.options)])
        for number, question in enumerate(survey.questions, 1)
    )


def texts_of(survey: Survey) -> list[str]:
    """Return every question and option."""
    return [text for each in survey.questions for text in (each.text, *(option.text for option in each.options))]


def reworded(survey: Survey, of: Callable[[str], str]) -> Survey:
    """Return the survey with what `of` makes of every question and option."""
    questions = [
        Question(of(each.text), [replace(option, text=of(option.text)) for option in each.options])
        for each in survey.questions
    ]
    return replace(survey, questions=questions)


def check_answer(survey: Survey, chosen: Sequence[int]) -> None:
    """Raise InvalidArgument for an answer that names what is not there, or nothing of a poll."""
    wrong = [
        (f"/chosen/{position}", "Choose one of the options.")
        for position, (option, question) in enumerate(zip(chosen, survey.questions, strict=False))
        if not 0 <= option <= len(question.options)
    ]
    if len(chosen) != len(survey.questions):
        wrong.append(("/chosen", f"{len(survey.questions)} are needed, one for each question."))
    elif survey.channel is Channel.POLL and not any(chosen):
        wrong.append(("/chosen/0", "Choose an answer."))
    if wrong:
        raise InvalidArgument("ANSWER_INVALID", "The answer is not in order.", violations=wrong)


def moves(before: Sequence[int], after: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return (question, option, +1 or -1) of each option that is chosen now or no more, in the order of locking."""
    found = []
    for question, (old, new) in enumerate(zip(before, after, strict=True), 1):
        if old != new:
            found += [(question, option, step) for option, step in ((old, -1), (new, 1)) if option]
    return sorted(found)


def said(channel: Channel, text: str, survey: Survey | None) -> str:
    """Return what a channel says: of a poll or sign-up its words below the text."""
    if survey is None or channel not in SURVEYS:
        return text
    return f"{text.rstrip()}\n\n{asked_words(survey)}".strip()


def unsaid(text: str, survey: Survey) -> str:
    """Return the text above the words of a poll or sign-up: what `said` put together."""
    return text.removesuffix(asked_words(survey)).rstrip()


def of_use_until(channel: Channel, asked: datetime | None, survey: Survey | None) -> datetime | None:
    """Return after which time a delivery is of no use: nobody is asked what is closed. None: no such time."""
    closes_at = survey.closes_at if survey and channel in LINKED else None
    return min(filter(None, (asked, closes_at)), default=None)


def ends(channel: Channel, expires_at: datetime, survey: Survey | None) -> datetime:
    """Return when a delivery expires."""
    return of_use_until(channel, expires_at, survey) or expires_at
