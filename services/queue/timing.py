"""When a schedule sends: a rule on the district's wall clock, and its occurrences as moments of UTC.

A sending has a local date and the schedule's time of day. A time that the clocks skip moves to the next one that
exists; one that they show twice happens once, the first time. The rule is iCalendar's RRULE, read by dateutil on local
dates, so that daylight saving never moves a sending on the wall.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, cast
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from services.kit.errors import InvalidArgument

HORIZON: Final = timedelta(days=3660)
"""A rule that finds nothing for ten years has ended."""
MAX_RULE: Final = 200
"""Characters of a rule."""
MAX_INTERVAL: Final = 52
PREVIEWED: Final = 5
SOON: Final = timedelta(minutes=10)
"""How far ahead Submit takes a message. What leaves later is a schedule's: listed as one, and decided anew."""
_FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_DAY: Final = r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)"
_PARTS: Final = {
    "FREQ": re.compile("|".join(sorted(_FREQUENCIES))),
    "INTERVAL": re.compile("[1-9][0-9]?"),
    "BYDAY": re.compile(f"{_DAY}(,{_DAY}){{0,34}}"),
    "BYMONTHDAY": re.compile("-?[1-9][0-9]?(,-?[1-9][0-9]?){0,30}"),
    "BYMONTH": re.compile("[1-9][0-9]?(,[1-9][0-9]?){0,11}"),
    "BYSETPOS": re.compile("-?[1-9][0-9]?(,-?[1-9][0-9]?){0,9}"),
    "WKST": re.compile("MO|SU"),
}
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Timing:
    """When a schedule sends."""

    start: date
    """First local date; the first sending is the first that the rule finds from there on."""
    send_time: time
    """Local time of day, whole minutes."""
    rule: str
    """RRULE without its name ("FREQ=DAILY"); empty: once, on the start date."""
    end: date | None
    """Last local date on which it may send; None: without end."""
    zone: str
    """IANA name."""

    def after(self, moment: datetime) -> datetime | None:
        """Return the first sending later than this moment, None when there is none."""
        zone = ZoneInfo(self.zone)
        # A gap may move a sending later than its date says, never earlier: look from two local days before.
        since = moment.astimezone(zone).replace(tzinfo=None) - timedelta(days=2)
        found = (in_utc(each, zone) for each in self._local(since))
        return next((each for each in found if each > moment), None)

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yield the sendings from `first` to `last`, both included."""
        moment: datetime | None = first - timedelta(microseconds=1)
        while moment is not None:
            moment = self.after(moment)
            if moment is None or moment > last:
                return
            yield moment

    def first(self) -> datetime:
        """Return the first sending of all, past or not. A timing that was read has one."""
        before = in_utc(datetime.combine(self.start, time.min), ZoneInfo(self.zone)) - _MINUTE
        found = self.after(before)
        return before if found is None else found

    def upcoming(self, moment: datetime) -> datetime:
        """Return the first sending later than this moment, or the first of all when none is left."""
        return self.after(moment) or self.first()

    def shifted(self, moment: datetime, sending: datetime) -> datetime:
        """Return the moment that comes as long after a sending, on the wall clock, as `moment` after the first one."""
        return self.carried(moment, self.first(), sending)

    def carried(self, moment: datetime, before: datetime, after: datetime) -> datetime:
        """Return the moment that comes as long after `after`, on the wall clock, as `moment` after `before`."""
        zone = ZoneInfo(self.zone)
        here, then, there = (each.astimezone(zone).replace(tzinfo=None) for each in (before, moment, after))
        return in_utc(there + (then - here), zone)

    def next_few(self, moment: datetime, how_many: int = PREVIEWED) -> list[datetime]:
        """Return the next sendings after this moment."""
        found: list[datetime] = []
        while len(found) < how_many:
            following = self.after(found[-1] if found else moment)
            if following is None:
                break
            found.append(following)
        return found

    def _local(self, since: datetime) -> Iterator[datetime]:
        start = datetime.combine(self.start, self.send_time)
        if not self.rule:
            if start >= since:
                yield start
            return
        last = max(since, start) + HORIZON
        if self.end:
            last = min(last, datetime.combine(self.end, time.max))
        # Without an end dateutil would look for a rule's next date until the year 9999.
        found = cast(rrule, rrulestr(self.rule, dtstart=start))
        yield from found.replace(until=last).xafter(since, inc=True)


def in_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the zone's clocks first show this time, or the next one that they do show."""
    while True:
        moment = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == local:
            return moment
        local += _MINUTE


def read_timing(start_date: str, send_time: str, rule: str, end_date: str, zone: str) -> Timing:
    """Return the timing of a request, its rule in one spelling; InvalidArgument with every field at fault."""
    wrong: list[tuple[str, str]] = []
    start, end = _day("start_date", start_date, wrong), None
    if end_date:
        end = _day("end_date", end_date, wrong)
    if not _CLOCK.fullmatch(send_time):
        wrong.append(("/timing/send_time", "Enter a time like 08:30."))
    spelled = _rule(rule, wrong)
    if start and end and end < start:
        wrong.append(("/timing/end_date", "The end is before the start."))
    if start and not wrong:
        timing = Timing(start, time.fromisoformat(send_time), spelled, end if spelled else None, zone)
        if next(timing._local(datetime.combine(start, time.min)), None) is not None:
            return timing
        wrong.append(("/timing/rule", "No date fits this repetition."))
    raise InvalidArgument("SCHEDULE_INVALID", "The time of sending is not in order.", violations=wrong)


def _day(field: str, text: str, wrong: list[tuple[str, str]]) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2999 or len(text) != 10:
        wrong.append((f"/timing/{field}", "Enter a date like 2026-11-14."))
        return None
    return found


def _rule(text: str, wrong: list[tuple[str, str]]) -> str:
    rule = text.strip().upper().removeprefix("RRULE:")
    if not rule:
        return ""
    pairs = [part.partition("=") for part in rule.split(";")]
    values = {name: value for name, _, value in pairs}
    if len(rule) > MAX_RULE or len(values) != len(pairs) or not values.get("FREQ"):
        wrong.append(("/timing/rule", "An RRULE begins with FREQ and names each part once."))
        return ""
    for name, value in values.items():
        if name not in _PARTS:
            wrong.append(("/timing/rule", f"{name[:20]} is not taken: {', '.join(sorted(_PARTS))} are."))
        elif not _PARTS[name].fullmatch(value):
            wrong.append(("/timing/rule", f"{name} does not take this value."))
    if not wrong and int(values.get("INTERVAL", 1)) > MAX_INTERVAL:
        wrong.append(("/timing/rule", f"INTERVAL is at most {MAX_INTERVAL}."))
    if not wrong and not _is_read(rule):
        wrong.append(("/timing/rule", "This combination of parts is not a repetition."))
    return rule


def check_soon(send_at: datetime | None, now: datetime) -> None:
    """Raise InvalidArgument for a message that is to leave later than soon: rights, audience and exclusions would be
    those of today.
    """
    if send_at and send_at > now + SOON:
        wrong = [("/send_at", f"At most {SOON // timedelta(minutes=1)} minutes ahead; ScheduleService sends later.")]
        raise InvalidArgument("SEND_AT_TOO_LATE", "ScheduleService sends what is to leave later.", violations=wrong)


def _is_read(rule: str) -> bool:
    try:
        rrulestr(rule, dtstart=datetime(2000, 1, 1))  # noqa: DTZ001  local dates have no zone
    except (ValueError, TypeError):
        return False
    return True
