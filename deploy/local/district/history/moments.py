"""When past messages were sent: on school days, at the hours at which people write such things."""

import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

FRIDAY = 4


class Moments:
    """Draws moments from the days before `as_of`, that day itself excluded, in the district's time zone."""

    def __init__(self, as_of: date, days: int, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._days = [as_of - timedelta(days=back) for back in range(days, 0, -1)]
        self._school_days = [day for day in self._days if day.weekday() <= FRIDAY]
        self.end = datetime.combine(as_of, time(), self._zone).astimezone(UTC)

    def on_school_day(self, rng: random.Random, hours: tuple[int, int]) -> datetime:
        """Return a moment of a school day between two hours of the clock, 0 to 24."""
        return self._at(rng, rng.choice(self._school_days), hours)

    def on_any_day(self, rng: random.Random, hours: tuple[int, int]) -> datetime:
        """Return a moment of any day, school days three times as likely, between two hours of the clock."""
        days = self._school_days if rng.random() < 0.75 else self._days
        return self._at(rng, rng.choice(days), hours)

    def spread(self, rng: random.Random, hours: tuple[int, int], step: int, of: int) -> datetime:
        """Return a moment for the step-th of `of` evenly spread messages, counted from 0."""
        index = (2 * step + 1) * len(self._school_days) // (2 * of)
        return self._at(rng, self._school_days[index], hours)

    def later(self, rng: random.Random, moment: datetime) -> datetime | None:
        """Return when somebody answered: minutes to a day later. None when that would be after the end."""
        answer = moment + timedelta(minutes=rng.expovariate(1 / 240) + 4)
        return answer.replace(microsecond=0) if answer < self.end else None

    def words(self, moment: datetime, language: str = "en") -> str:
        """Return the date as people write it: "October 3", and "3/10" in every other language."""
        day = moment.astimezone(self._zone)
        return f"{day:%B} {day.day}" if language == "en" else f"{day.day}/{day.month}"

    def month(self, moment: datetime) -> int:
        """Return the month in the district, 1 to 12."""
        return moment.astimezone(self._zone).month

    def _at(self, rng: random.Random, day: date, hours: tuple[int, int]) -> datetime:
        seconds = rng.randrange(hours[0] * 3600, hours[1] * 3600)
        start = datetime.combine(day, time(), self._zone)
        # Counted in UTC from local midnight and clipped to the window, so a clock change never makes a moment vanish.
        return min(start.astimezone(UTC) + timedelta(seconds=seconds), self.end - timedelta(seconds=1))
