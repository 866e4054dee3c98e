"""When a message is sent, as the composer's editor asks for it: its fields, its rule, and both in words."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import date

from werkzeug.datastructures import MultiDict

from protos.queue.v1 import schedules_pb2 as schedules
from services.gateway.searches import whole
from services.kit.errors import InvalidArgument
from services.kit.recurrence import DAYS, PLACES, WEEKDAY, WEEKDAYS, in_words, placed, placed_rule, weekly

__all__ = ["DAYS", "PLACES", "in_words"]

NOW, LATER, REPEAT = "now", "later", "repeat"
REPETITIONS = {
    "daily": "Every day",
    "weekdays": "Monday to Friday",
    "weekly": "Weekly",
    "monthly": "Monthly",
}
PLACE_DAYS = {**DAYS, WEEKDAY: "Weekday (Monday to Friday)"}
"""What is counted in a month."""
MOST_WEEKS = 52
_LONGEST = 200


@dataclass
class When:
    """When a message is sent, as it was filled in."""

    mode: str = NOW
    """now, later or repeat."""
    start_date: str = ""
    send_time: str = "08:00"
    every: str = "daily"
    """One of REPETITIONS, or "kept" for a rule that the editor cannot make."""
    days: list[str] = field(default_factory=list)
    weeks: str = "1"
    """From one week that it is sent in to the next, as it was filled in; of what is weekly."""
    place: str = ""
    """Of what is monthly: empty for the date of the first, else which of the days, one of PLACES."""
    place_day: str = "MO"
    """One of PLACE_DAYS."""
    end_date: str = ""
    kept_rule: str = ""
    schedule_id: str = ""
    """The schedule that is edited; empty for a new one."""
    version: int = 0

    @property
    def is_later(self) -> bool:
        """Whether anything but sending now is asked for."""
        return self.mode in {LATER, REPEAT}


def read_when(form: MultiDict[str, str]) -> When:
    """Return the fields of a form; what they say is checked by `check` and by the queue."""
    mode = form.get("when", NOW)
    return When(
        mode=mode if mode in {LATER, REPEAT} else NOW,
        start_date=form.get("start_date", "")[:10],
        send_time=form.get("send_time", "")[:5],
        every=form.get("every", "daily")[:10],
        days=[day for day in DAYS if day in form.getlist("day")],
        weeks=form.get("weeks", "1").strip()[:5],
        place=_one_of(PLACES, form.get("place", ""), ""),
        place_day=_one_of(PLACE_DAYS, form.get("place_day", ""), "MO"),
        end_date=form.get("end_date", "")[:10],
        kept_rule=form.get("kept_rule", "")[:_LONGEST],
        schedule_id=form.get("schedule_id", "")[:36],
        version=whole(form.get("version", "")),
    )


def _one_of(known: Container[str], text: str, otherwise: str) -> str:
    return text if text in known else otherwise


def check(when: When) -> None:
    """Raise InvalidArgument with every field that is missing."""
    wrong = list(_problems(when))
    if wrong:
        raise InvalidArgument("SCHEDULE_INVALID", "The time of sending needs another look.", violations=wrong)


def _problems(when: When) -> Iterator[tuple[str, str]]:
    if not when.start_date:
        yield "/timing/start_date", "Choose a date."
    if not when.send_time:
        yield "/timing/send_time", "Choose a time."
    if when.mode == REPEAT and when.every == "weekly":
        if not (when.weeks.isdecimal() and 1 <= int(when.weeks) <= MOST_WEEKS):
            yield "/timing/weeks", f"Enter a number of weeks from 1 to {MOST_WEEKS}."
        if not when.days:
            yield "/timing/days", "Choose at least one day."
    if when.mode == REPEAT and when.every not in {*REPETITIONS, "kept"}:
        yield "/timing/rule", "Choose how often."


def timing_of(when: When) -> schedules.Timing:
    """Return the timing for the queue."""
    is_repeated = when.mode == REPEAT
    return schedules.Timing(
        start_date=when.start_date,
        send_time=when.send_time,
        rule=_rule(when) if is_repeated else "",
        end_date=when.end_date if is_repeated else "",
    )


def _rule(when: When) -> str:
    if when.every == "kept":
        return when.kept_rule
    if when.every == "weekdays":
        return WEEKDAYS
    if when.every == "weekly":
        interval = f";INTERVAL={int(when.weeks)}" if int(when.weeks) > 1 else ""
        return f"FREQ=WEEKLY{interval};BYDAY={','.join(when.days)}"
    if when.every == "monthly":
        return placed_rule(when.place, when.place_day) if when.place else _monthly(when.start_date)
    return "FREQ=DAILY"


def _monthly(start_date: str) -> str:
    """Return the rule for the same day of each month; a month without that day takes its last one."""
    try:
        day = date.fromisoformat(start_date).day
    except ValueError:
        return "FREQ=MONTHLY"
    if day <= 28:
        return f"FREQ=MONTHLY;BYMONTHDAY={day}"
    return f"FREQ=MONTHLY;BYMONTHDAY={','.join(map(str, range(28, day + 1)))};BYSETPOS=-1"


def when_of(schedule: schedules.Schedule) -> When:
    """Return the fields that make this schedule."""
    timing = schedule.timing
    when = When(
        LATER,
        timing.start_date,
        timing.send_time,
        end_date=timing.end_date,
        schedule_id=schedule.schedule_id,
        version=schedule.version,
    )
    if timing.rule:
        when.mode, when.kept_rule = REPEAT, timing.rule
        _show(when, timing)
    return when


def _show(when: When, timing: schedules.Timing) -> None:
    """Fill in the fields of which `_rule` makes this rule, or "kept"."""
    if timing.rule == "FREQ=DAILY":
        when.every = "daily"
    elif timing.rule == WEEKDAYS:
        when.every = "weekdays"
    elif in_weeks := weekly(timing.rule):
        when.every, when.weeks, when.days = "weekly", str(in_weeks[0]), in_weeks[1]
    elif in_months := placed(timing.rule):
        when.every, (when.place, when.place_day) = "monthly", in_months
    else:
        when.every = "monthly" if timing.rule == _monthly(timing.start_date) else "kept"
