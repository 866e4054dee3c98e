"""A draft and its outcomes as the plain object of one JSON line."""

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from typing import Any

from deploy.local.district.history.drafts import Draft, Target
from deploy.local.district.history.moments import Moments
from deploy.local.district.history.outcomes import Outcome, Outcomes
from deploy.local.district.history.roll import Roll
from deploy.local.district.history.school_traffic import SchoolTraffic
from deploy.local.district.history.screening import judge
from deploy.local.district.history.student_traffic import StudentTraffic
from deploy.local.district.model import District
from deploy.local.district.source import data, stream

FULL_SIZE = 1600
Line = dict[str, Any]


def history(district: District, as_of: date, channels: Collection[str] | None = None) -> Iterator[Line]:
    """Yield the past messages of the sixty days before `as_of`, oldest first.

    `channels` are the ones to write, None meaning those of data/traffic.json; a message without any is left out.
    """
    plan = data("traffic")
    moments = Moments(as_of, plan["days"], district.time_zone)
    roll = Roll(district)
    school, student = SchoolTraffic(roll, moments), StudentTraffic(roll, moments)
    counts = _counts(len(district.students))
    drafts = list(school.drafts(counts))
    for draft in student.drafts(counts):
        drafts += [draft, *school.answers(draft)]
    recorder = Recorder(district, moments)
    written = {""}
    wanted = plan["channels"] if channels is None else channels
    for draft in sorted(drafts, key=lambda one: (one.sent_at, one.key)):
        draft.channels = {name: text for name, text in draft.channels.items() if name in wanted}
        line = recorder.line(draft)
        # What nobody could receive was never answered either.
        if line["recipients"] and line["in_reply_to"] in written:
            written.add(line["id"])
            yield line


def _counts(students: int) -> dict[str, int]:
    """Return how many of each category; a smaller district has fewer of what single people send."""
    plan = data("traffic")
    scaled = plan["scaled_down_with_district"]
    share = min(1.0, students / FULL_SIZE)
    return {name: max(1, round(count * share)) if name in scaled else count for name, count in plan["counts"].items()}


class Recorder:
    """Turns drafts into lines, deciding outcomes, verdicts and reviews."""

    def __init__(self, district: District, moments: Moments) -> None:
        self._district = district
        self._end = moments.end
        self._rng = stream(district.seed, "outcomes")
        self._outcomes = Outcomes(self._rng, moments.end)
        self._titles = {school.sourced_id: school.name for school in district.schools}
        self._once = frozenset(data("traffic")["once_per_family"])
        self._roll = Roll(district)

    def line(self, draft: Draft) -> Line:
        """Return the line of a draft; `recipients` is empty when nobody could be addressed."""
        verdict = judge(draft, self._rng)
        return {
            "id": draft.key, "category": draft.category, "sent_at": draft.sent_at.isoformat(timespec="seconds"),
            "sender": draft.sender.sourced_id, "working_school": draft.school.sourced_id if draft.school else "",
            "source": draft.source, "kind": "attendance" if draft.category == "attendance" else "ordinary",
            "subject": draft.subject, "body": draft.body, "language": draft.language, "is_secure": draft.is_secure,
            "is_emergency": draft.is_emergency, "once_per_family": draft.category in self._once,
            "audience_summary": draft.audience, "from_title": self._from_title(draft), "in_reply_to": draft.in_reply_to,
            "regarding": list(dict.fromkeys(one.student.sourced_id for one in draft.targets if one.student))[:20],
            "entries": [{"channel": channel, "text": text} for channel, text in draft.channels.items()],
            "recipients": [_recipient(target, rows) for target, rows in self._outcomes.of(draft)],
            "verdict": verdict, "review": self._review(draft),
        }  # fmt: skip

    def _from_title(self, draft: Draft) -> str:
        if draft.sender.role in ("student", "teacher") or draft.sender.profile == "Parent":
            return ""
        return draft.school.name if draft.school else self._district.name

    def _review(self, draft: Draft) -> dict[str, Any]:
        """Return what staff did about it afterwards: a flag by hand, or the acknowledgement of a threat."""
        if draft.flagged_by:
            origin = "teacher" if draft.flagged_by.role == "teacher" else "admin"
            return {"flag": {"origin": origin, "by": draft.flagged_by.sourced_id, "at": self._after(draft, 30)}}
        is_recent = self._end - draft.sent_at < timedelta(days=2)
        if draft.verdict != "hold" or is_recent or self._rng.random() < 0.1 or draft.school is None:
            return {}
        principal = self._roll.staff_of(draft.school, "Principal")
        return {"acknowledgement": {"by": principal.sourced_id, "at": self._after(draft, 12)}}

    def _after(self, draft: Draft, minutes: int) -> str:
        moment = draft.sent_at + timedelta(minutes=1 + self._rng.expovariate(1 / minutes))
        return min(moment, self._end).isoformat(timespec="seconds")


def _recipient(target: Target, outcomes: list[Outcome]) -> dict[str, Any]:
    if target.person is None:
        return {"type": "imported", "name": target.name, "school": "", "outcomes": outcomes}
    row = {"type": "directory", "person": target.person.sourced_id, "school": target.school_id, "outcomes": outcomes}
    return {**row, "student": target.student.sourced_id} if target.student else row
