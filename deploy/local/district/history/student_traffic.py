"""What students wrote to their teachers: questions by the hundred, and the few that nobody should have missed."""

from collections.abc import Iterator
from typing import Any

from deploy.local.district.history.drafts import Draft, Target
from deploy.local.district.history.moments import Moments
from deploy.local.district.history.roll import Roll
from deploy.local.district.history.texts import Texts
from deploy.local.district.source import data, identifier, stream

TEMPLATES = {
    "question": "questions",
    "watched": "watched",
    "threat": "threats",
    "passed_then_flagged": "passed_then_flagged",
}
VERDICTS = {"question": "clean", "watched": "watch", "threat": "hold", "passed_then_flagged": "clean"}


class StudentTraffic:
    """Drafts of everything that students sent."""

    def __init__(self, roll: Roll, moments: Moments) -> None:
        self._roll = roll
        self._moments = moments
        self._rng = stream(roll.district.seed, "student traffic")
        self._texts = Texts("texts_students", self._rng)
        self._plan: dict[str, Any] = data("traffic")
        self._writers = [one for one in roll.district.students if one.has_account]

    def drafts(self, counts: dict[str, int]) -> Iterator[Draft]:
        """Yield this many drafts of each category that is a student's to write."""
        for category in TEMPLATES:
            for number in range(counts[category]):
                yield self._draft(category, number)

    def _draft(self, category: str, number: int) -> Draft:
        student = self._rng.choice(self._writers)
        teacher = self._rng.choice(self._roll.teachers_of(student))
        if category == "threat":
            # In turn, so that every kind of danger is among them.
            templates = self._texts.all(TEMPLATES[category])
            template = templates[number % len(templates)]
        else:
            template = self._texts.pick(TEMPLATES[category], student.language, 0.35)
        text = self._texts.fill(template)
        first, last = self._plan["hours"][category]
        school = self._roll.school_of(student)
        return Draft(
            identifier(self._roll.district.seed, category, number), category,
            self._moments.on_any_day(self._rng, (first, last)), student, school, text["subject"], text["body"],
            {"email": "", "push": ""} if self._rng.random() < 0.1 else {"email": ""},
            [Target(teacher, student.school_ids[0])], teacher.name, template["language"],
            verdict=VERDICTS[category], scores=template.get("scores", {}), because=text["because"],
            tier=template.get("tier", 0), kind=template.get("kind", ""),
            flagged_by=self._flagger(category, number, student, teacher),
        )  # fmt: skip

    def _flagger(self, category: str, number: int, student: Any, teacher: Any) -> Any:
        if category != "passed_then_flagged":
            return None
        school = self._roll.schools[student.school_ids[0]]
        return self._roll.staff_of(school, "Principal") if number % 3 == 0 else teacher
