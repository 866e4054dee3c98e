"""Rules of recurrence in words, as the Recursion column shows them."""

import re

DAYS = {"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday",
        "SU": "Sunday"}  # fmt: skip
PLACES = {"1": "first", "2": "second", "3": "third", "4": "fourth", "-1": "last"}
"""Which of a month's days of a kind."""
WEEKDAY = "weekday"
"""Of a month's days, the kind that is Monday to Friday; the others are DAYS."""
_SCHOOL_WEEK = "MO,TU,WE,TH,FR"
WEEKDAYS = f"FREQ=WEEKLY;BYDAY={_SCHOOL_WEEK}"
_DAY = re.compile(r"FREQ=MONTHLY;BYMONTHDAY=(?:28,)?(?:29,)?(?:30,)?([0-9]{1,2})(?:;BYSETPOS=-1)?")
_ONE = "|".join(DAYS)
_PLACE = "|".join(PLACES)
_WEEKLY = re.compile(rf"FREQ=WEEKLY(?:;INTERVAL=([1-9][0-9]?))?;BYDAY=((?:{_ONE})(?:,(?:{_ONE}))*)")
_PLACED = re.compile(rf"FREQ=MONTHLY;BYDAY=(?:({_PLACE})({_ONE})|{_SCHOOL_WEEK};BYSETPOS=({_PLACE}))")


def weekly(rule: str) -> tuple[int, list[str]] | None:
    """Return how many weeks lie between, and the days, of a rule of weeks; None for any other."""
    found = _WEEKLY.fullmatch(rule)
    return (int(found[1] or 1), found[2].split(",")) if found else None


def placed(rule: str) -> tuple[str, str] | None:
    """Return which day of each month, of PLACES, and of which kind, of DAYS or WEEKDAY; None for other rules."""
    found = _PLACED.fullmatch(rule)
    return (found[1] or found[3], found[2] or WEEKDAY) if found else None


def placed_rule(place: str, day: str) -> str:
    """Return the rule of which `placed` tells this."""
    return (
        f"FREQ=MONTHLY;BYDAY={_SCHOOL_WEEK};BYSETPOS={place}" if day == WEEKDAY else f"FREQ=MONTHLY;BYDAY={place}{day}"
    )


def in_words(rule: str) -> str:
    """Return a rule in words; one that the editor cannot make as it is."""
    if not rule:
        return "None"
    if rule == "FREQ=DAILY":
        return "Every day"
    if rule == WEEKDAYS:
        return "Monday to Friday"
    if in_weeks := weekly(rule):
        return _weekly_words(*in_weeks)
    if in_months := placed(rule):
        place, day = in_months
        return f"Every month on the {PLACES[place]} {DAYS.get(day, WEEKDAY)}"
    if found := _DAY.fullmatch(rule):
        return f"Every month on day {found[1]}" if int(found[1]) <= 28 else f"Every month on day {found[1]} or the last"
    return f"By rule {rule}"


def _weekly_words(weeks: int, days: list[str]) -> str:
    named = "Monday to Friday" if ",".join(days) == _SCHOOL_WEEK else _joined([DAYS[day] for day in days])
    return f"Every {named}" if weeks == 1 else f"Every {weeks} weeks on {named}"


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
