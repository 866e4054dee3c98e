"""Rules of recurrence in words, as the Recursion column shows them."""

import re

DAYS = {"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday",
        "SU": "Sunday"}  # fmt: skip
WEEKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
_DAY = re.compile(r"FREQ=MONTHLY;BYMONTHDAY=(?:28,)?(?:29,)?(?:30,)?([0-9]{1,2})(?:;BYSETPOS=-1)?")
WEEKLY = re.compile(r"FREQ=WEEKLY;BYDAY=((?:MO|TU|WE|TH|FR|SA|SU)(?:,(?:MO|TU|WE|TH|FR|SA|SU))*)")


def in_words(rule: str) -> str:
    """Return a rule in words; one that the editor cannot make as it is."""
    if not rule:
        return "None"
    if rule == "FREQ=DAILY":
        return "Every day"
    if rule == WEEKDAYS:
        return "Monday to Friday"
    if found := WEEKLY.fullmatch(rule):
        return f"Every {_joined([DAYS[day] for day in found[1].split(',')])}"
    if found := _DAY.fullmatch(rule):
        return f"Every month on day {found[1]}" if int(found[1]) <= 28 else f"Every month on day {found[1]} or the last"
    return f"By rule {rule}"


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
