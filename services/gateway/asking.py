"""What a poll or a sign-up asks, as the composer's editor and the API fill it in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from protos.types.v1 import surveys_pb2 as surveys
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Person
from services.gateway.searches import whole
from services.kit.errors import PermissionDenied

KINDS = {"poll": types.CHANNEL_POLL, "signup": types.CHANNEL_SIGNUP}
MOST_QUESTIONS, MOST_OPTIONS = 10, 10
QUESTION_LIMIT, OPTION_LIMIT, MOST_PLACES = 300, 150, 1_000
LONGEST_OPEN = timedelta(days=366)
_CLOSE_TIME = "20:00"
_EDIT = re.compile(r"(add-question|remove-question|add-option|remove-option)(?:-([0-9]{1,2}))?(?:-([0-9]{1,2}))?")


@dataclass
class Option:
    """One way to answer, or one slot."""

    text: str = ""
    capacity: str = ""
    """Places of a sign-up's slot, as it was typed."""


@dataclass
class Question:
    """One question, or what a sign-up looks for."""

    text: str = ""
    options: list[Option] = field(default_factory=lambda: [Option(), Option()])


@dataclass
class Asking:
    """A survey as it was filled in."""

    kind: str = ""
    """poll, signup, or empty: it asks nothing."""
    questions: list[Question] = field(default_factory=lambda: [Question()])
    close_date: str = ""
    """ISO date in the district's zone."""
    close_time: str = _CLOSE_TIME
    closes_at: datetime | None = None
    """Of the API, in place of date and time."""
    focus: str = ""
    """The editor's field that was just added, by its name."""

    @property
    def channel(self) -> "types.Channel.ValueType":
        """The channel that asks; UNSPECIFIED when nothing is asked."""
        return KINDS.get(self.kind, types.CHANNEL_UNSPECIFIED)

    def closing(self, zone: ZoneInfo) -> datetime | None:
        """Return when it closes; None when that is no date and time."""
        if self.closes_at:
            return self.closes_at
        try:
            return datetime.fromisoformat(f"{self.close_date}T{self.close_time}").replace(tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def check_may_ask(person: Person) -> None:
    """Raise PermissionDenied for whoever may not send polls and sign-ups: families, who answer them."""
    if not (person.is_staff or person.role == "student"):
        raise PermissionDenied("SURVEY_NOT_ALLOWED", "Polls and sign-ups are sent by staff and students.")


def read_asking(form: MultiDict[str, str]) -> Asking:
    """Return what a form asks: question-1, option-1-1, capacity-1-1 …, counted from 1 without gaps."""
    questions = []
    for number in range(1, MOST_QUESTIONS + 1):
        if f"question-{number}" not in form:
            break
        places = [place for place in range(1, MOST_OPTIONS + 1) if f"option-{number}-{place}" in form]
        options = [
            Option(
                form.get(f"option-{number}-{place}", "")[: 2 * OPTION_LIMIT],
                form.get(f"capacity-{number}-{place}", "")[:10],
            )
            for place in places
        ]
        questions.append(Question(form.get(f"question-{number}", "")[: 2 * QUESTION_LIMIT], options or [Option()]))
    kind = form.get("ask", "")
    return Asking(
        kind=kind if kind in KINDS else "",
        questions=questions or [Question()],
        close_date=form.get("close_date", "")[:10],
        close_time=form.get("close_time", _CLOSE_TIME)[:5],
    )


def edit(asking: Asking, wanted: str) -> None:
    """Do what a button of the editor asks for: "add-question", "remove-question-2", "add-option-1" …

    "remove-option-1-3" takes the third option off the first question. What does not fit changes nothing.
    """
    found = _EDIT.fullmatch(wanted)
    if not found:
        return
    verb, number, place = found[1], int(found[2] or 0), int(found[3] or 0)
    questions = asking.questions
    if verb == "add-question" and len(questions) < MOST_QUESTIONS:
        questions.append(Question())
        asking.focus = f"question-{len(questions)}"
    if not 1 <= number <= len(questions):
        return
    options = questions[number - 1].options
    if verb == "add-option" and len(options) < MOST_OPTIONS:
        options.append(Option())
        asking.focus = f"option-{number}-{len(options)}"
    elif verb == "remove-option" and len(options) > 1 and 1 <= place <= len(options):
        del options[place - 1]
        asking.focus = f"option-{number}-{min(place, len(options))}"
    elif verb == "remove-question" and len(questions) > 1:
        del questions[number - 1]
        asking.focus = f"question-{min(number, len(questions))}"


def problems(asking: Asking, zone: ZoneInfo, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a poll or a sign-up: pointer and sentence."""
    closes_at = asking.closing(zone)
    if closes_at is None:
        yield "/survey/closes_at", "Choose until when answers are taken."
    elif not now < closes_at <= now + LONGEST_OPEN:
        yield "/survey/closes_at", "Choose a time that is not past, within a year."
    for position, question in enumerate(asking.questions):
        yield from _question_problems(f"/survey/questions/{position}", question, asking.kind)


def _question_problems(at: str, question: Question, kind: str) -> Iterator[tuple[str, str]]:
    is_signup = kind == "signup"
    given = filled(question)
    if not question.text.strip():
        yield f"{at}/text", "Say what is wanted." if is_signup else "Write the question."
    elif len(question.text) > QUESTION_LIMIT:
        yield f"{at}/text", f"Shorten it to {QUESTION_LIMIT} characters."
    if len(given) < (1 if is_signup else 2):
        yield f"{at}/options", "Give at least one slot." if is_signup else "Give at least two answers to choose from."
    seen: set[str] = set()
    for place, option in given:
        words = " ".join(option.text.split()).casefold()
        if not words:
            yield f"{at}/options/{place}/text", "Write it, or remove it."
        elif len(option.text) > OPTION_LIMIT:
            yield f"{at}/options/{place}/text", f"Shorten it to {OPTION_LIMIT} characters."
        elif words in seen:
            yield f"{at}/options/{place}/text", "This is there already."
        seen.add(words)
        if is_signup and places_of(option) is None:
            yield f"{at}/options/{place}/capacity", f"Enter a number from 1 to {MOST_PLACES:,}."


def filled(question: Question) -> list[tuple[int, Option]]:
    """Return the options that somebody began to fill in, with their positions; empty lines are not sent."""
    return [(place, each) for place, each in enumerate(question.options) if each.text.strip() or each.capacity.strip()]


def places_of(option: Option) -> int | None:
    """Return the places of a slot; None when it has no number that is allowed."""
    number = whole(option.capacity)
    return number if 1 <= number <= MOST_PLACES else None


def survey_of(asking: Asking, zone: ZoneInfo) -> surveys.Survey:
    """Return a checked survey for the queue."""
    found = surveys.Survey()
    if closes_at := asking.closing(zone):
        found.closes_at.FromDatetime(closes_at)
    for question in asking.questions:
        asked = found.questions.add(text=question.text)
        for _, option in filled(question):
            asked.options.add(text=option.text, capacity=(places_of(option) or 0) if asking.kind == "signup" else 0)
    return found


def asking_of(channel: int, survey: surveys.Survey, zone: ZoneInfo) -> Asking:
    """Return what makes this survey, for the composer."""
    local = survey.closes_at.ToDatetime(UTC).astimezone(zone)
    questions = [
        Question(each.text, [Option(one.text, str(one.capacity or "")) for one in each.options])
        for each in survey.questions
    ]
    kind = next((name for name, number in KINDS.items() if number == channel), "")
    return Asking(kind, questions, f"{local:%Y-%m-%d}", f"{local:%H:%M}")
