"""Quiet hours: when texts, calls and push of a school wait until the morning (statement 307); pure.

They are times on the wall clock of the school, on every day. Emergencies and alerts do not wait, e-mail lies in a
mailbox and wakes nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.queue.domain import CALLS, URGENT_LANES, Channel, Lane, expiry
from services.queue.timing import in_utc

WAITING_CHANNELS: Final = frozenset({Channel.SMS, Channel.PUSH, *CALLS})
LONGEST_LIFE: Final = timedelta(days=7)
"""Of what waits for quiet hours to end, unless another time is asked for."""


@dataclass(frozen=True)
class QuietHours:
    """One school's."""

    time_zone: str
    """IANA name."""
    begins: time
    ends: time
    """Not the same as `begins`; earlier: on the next day."""

    def end(self, moment: datetime) -> datetime:
        """Return when the quiet hours end in which the moment lies, or the moment itself when it lies in none."""
        zone = ZoneInfo(self.time_zone)
        local = moment.astimezone(zone)
        clock, day = local.time(), local.date()
        if self.begins < self.ends:
            is_quiet = self.begins <= clock < self.ends
        else:
            is_quiet = clock >= self.begins or clock < self.ends
            day += timedelta(days=1 if clock >= self.begins else 0)
        return max(moment, in_utc(datetime.combine(day, self.ends), zone)) if is_quiet else moment

    def after(self, moment: datetime, life: timedelta) -> datetime:
        """Return when a life from the moment on is over, of which no quiet time counts."""
        moment = self.end(moment)
        while life > (awake := self._next(moment) - moment):
            moment, life = self.end(moment + awake), life - awake
        return moment + life

    def _next(self, moment: datetime) -> datetime:
        """Return when the quiet hours begin next after a moment that lies in none."""
        zone = ZoneInfo(self.time_zone)
        local = moment.astimezone(zone)
        day = local.date() + timedelta(days=0 if local.time() < self.begins else 1)
        return in_utc(datetime.combine(day, self.begins), zone)


def is_zone(name: str) -> bool:
    """Tell whether an IANA zone of this name is known here; a roster may name any."""
    try:
        ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return False
    return True


def waits(channel: Channel, lane: Lane) -> bool:
    """Tell whether quiet hours hold back what goes by this channel in this lane."""
    return channel in WAITING_CHANNELS and lane not in URGENT_LANES


@dataclass(frozen=True)
class Quiet:
    """The quiet hours of all schools, as they concern one message."""

    hours: Mapping[str, QuietHours]
    """By school; schools that have none are missing."""
    lane: Lane
    sender_school_id: str
    """Decides for recipients of no school: rows of an uploaded list."""

    def leaves_at(self, channel: Channel, school_id: str, moment: datetime) -> datetime:
        """Return when what is due at the moment may leave for recipients of a school."""
        found = self.hours.get(school_id or self.sender_school_id)
        return found.end(moment) if found and waits(channel, self.lane) else moment

    def last_leaves_at(self, channel: Channel, moment: datetime) -> datetime:
        """Return when the last school's part may leave."""
        return max([moment, *(self.leaves_at(channel, school_id, moment) for school_id in self.hours)])

    def expires_at(self, channel: Channel, moment: datetime, *, is_emergency: bool, asked: datetime | None) -> datetime:
        """Return when what is due at the moment expires, unless it has arrived.

        Its usual life is that without the quiet hours of the last school: what waits, or is tried again, in the evening
        must not expire in the night. A school that is quiet nearly always makes it a week at most, since all messages
        have the life of the last school. An asked time stays as it was asked.
        """
        plain = expiry(channel, moment, is_emergency=is_emergency, asked=asked)
        if asked or not waits(channel, self.lane):
            return plain
        awake = [each.after(moment, plain - moment) for each in set(self.hours.values())]
        return min(max([plain, *awake]), moment + LONGEST_LIFE)
