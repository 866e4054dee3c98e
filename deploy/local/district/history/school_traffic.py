"""What schools and the district office wrote: newsletters, notices, attendance, class notes, notes home."""

from collections.abc import Callable, Iterator
from typing import Any

from deploy.local.district.history.drafts import Draft, Target
from deploy.local.district.history.moments import Moments
from deploy.local.district.history.roll import Roll
from deploy.local.district.history.texts import Texts
from deploy.local.district.model import Person, School
from deploy.local.district.source import data, identifier, stream

DISTRICT_WIDE = ("notice", "weather")
WITH_SMS = {
    "notice": 1.0,
    "weather": 1.0,
    "emergency": 1.0,
    "attendance": 1.0,
    "sports": 0.6,
    "class_note": 0.25,
    "report_card": 1.0,
}
WITH_PUSH = {"notice": 1.0, "weather": 1.0, "newsletter": 0.4, "report_card": 1.0, "class_note": 0.1}
FIRST_CHANNEL = {"emergency": "tts", "recorded": "recorded", "poll": "poll", "signup": "signup"}


class SchoolTraffic:
    """Drafts of everything that staff sent and of what families answered."""

    def __init__(self, roll: Roll, moments: Moments) -> None:
        self._roll = roll
        self._moments = moments
        self._rng = stream(roll.district.seed, "school traffic")
        self._texts = Texts("texts_school", self._rng)
        self._plan: dict[str, Any] = data("traffic")
        self._open = [school for school in roll.district.schools if not school.is_excluded]

    def drafts(self, counts: dict[str, int]) -> Iterator[Draft]:
        """Yield this many drafts of each category that is staff's or a family's to write, answers besides."""
        makers: dict[str, Callable[[str, int, int], Draft]] = {
            "attendance": self._attendance, "class_note": self._class_note, "sports": self._sports,
            "staff_note": self._staff_note, "imported": self._imported, "family_note": self._family_note,
            "parent_question": self._parent_question,
        }  # fmt: skip
        for category in ("newsletter", "report_card", "poll", "signup", "recorded", "emergency", *DISTRICT_WIDE):
            makers[category] = self._to_everybody
        for category, make in makers.items():
            for number in range(counts[category]):
                draft = make(category, number, counts[category])
                yield draft
                yield from self.answers(draft)

    def answers(self, draft: Draft) -> Iterator[Draft]:
        """Yield the answer of the first recipient, when the category's chance has it that there is one."""
        chance = self._plan["reply_chance"].get(draft.category, 0.0)
        moment = self._moments.later(self._rng, draft.sent_at) if self._rng.random() < chance else None
        person = draft.targets[0].person
        if moment is None or person is None or draft.verdict == "hold":
            return
        from_family = draft.category == "family_note"
        template = self._texts.pick("parent_reply" if from_family else "reply", person.language, 0.7, draft.kind)
        text = self._texts.fill(template)
        # A student who is written to regards themselves; a note home regards the child it was about.
        regarding = draft.sender if draft.sender.role == "student" else None
        target = Target(draft.sender, draft.targets[0].school_id, regarding)
        yield Draft(
            identifier(self._roll.district.seed, "answer", draft.key), "answer", moment, person, draft.school,
            f"Re: {draft.subject}", text["body"], {"email": ""}, [target], draft.sender.name,
            template.get("language", "en"), draft.is_secure, draft.key,
        )  # fmt: skip

    def _draft(self, category: str, number: int, **parts: Any) -> Draft:
        return Draft(identifier(self._roll.district.seed, category, number), category, **parts)

    def _hours(self, category: str) -> tuple[int, int]:
        first, last = self._plan["hours"][category]
        return first, last

    def _channels(self, category: str, sms: str, school: School | None) -> dict[str, str]:
        channels = {FIRST_CHANNEL.get(category, "email"): ""}
        # An excluded school has no call-out (statement 226), so nothing of the kind was ever sent from it.
        if sms and self._rng.random() < WITH_SMS.get(category, 0) and not (school and school.is_excluded):
            channels["sms"] = sms
        if self._rng.random() < WITH_PUSH.get(category, 0):
            channels["push"] = sms
        return channels

    def _to_everybody(self, category: str, number: int, total: int) -> Draft:
        moment = self._moments.spread(self._rng, self._hours(category), number, total)
        if category in DISTRICT_WIDE:
            school, sender = None, self._roll.district.staff[1]
            students = [one for each in self._open for one in self._roll.students[each.sourced_id]]
            audience = f"All families, {self._roll.district.name}"
        else:
            schools = self._open if FIRST_CHANNEL.get(category) in ("tts", "recorded") else self._roll.district.schools
            school = schools[number % len(schools)]
            sender = self._roll.staff_of(school, "Principal")
            students = self._roll.students[school.sourced_id]
            audience = f"All parents, {school.short}"
        templates = [
            one for one in self._texts.all(category) if self._moments.month(moment) in one.get("months", range(13))
        ]
        template = templates[number % len(templates)]
        names = {"school": school.name, "short": school.short} if school else {}
        text = self._texts.fill(template, sender=sender.name, **names)
        return self._draft(
            category, number, sent_at=moment, sender=sender, school=school, subject=text["subject"], body=text["body"],
            channels=self._channels(category, text["sms"], school), targets=self._roll.guardians_of(students),
            audience=audience,
        )  # fmt: skip

    def _attendance(self, category: str, number: int, _: int) -> Draft:
        student = self._pick_student(self._open)
        school = self._roll.schools[student.school_ids[0]]
        moment = self._moments.on_school_day(self._rng, self._hours(category))
        guardian = self._roll.people[student.agents[0].sourced_id]
        template = self._texts.pick(category, guardian.language, 1.0)
        text = self._texts.fill(template, student=student.name, school=school.name, short=school.short,
                                date=self._moments.words(moment, template["language"]))  # fmt: skip
        channels = self._channels(category, text["sms"], school)
        if self._rng.random() < 0.12:
            channels["tts"] = text["sms"]
        return self._draft(
            category, number, sent_at=moment, sender=self._roll.staff_of(school, "Secretary"), school=school,
            subject=text["subject"], body=text["body"], channels=channels, targets=self._roll.guardians_of([student]),
            audience=f"Parents of {student.name}", language=template["language"],
        )  # fmt: skip

    def _class_note(self, category: str, number: int, _: int) -> Draft:
        teacher = self._rng.choice(self._roll.district.teachers)
        section = self._rng.choice(self._roll.sections_of(teacher))
        students = [self._roll.people[one] for one in section.student_ids]
        return self._to_some(category, number, teacher, students, f"Parents of {section.title}")

    def _sports(self, category: str, number: int, _: int) -> Draft:
        school = self._rng.choice([one for one in self._roll.district.schools if "KG" not in one.grades])
        pool = self._roll.students[school.sourced_id]
        team = self._rng.sample(pool, min(len(pool), self._rng.randint(12, 24)))
        coach = next(one for one in self._roll.district.teachers if one.title.startswith("Physical")
                     and one.school_ids[0] == school.sourced_id)  # fmt: skip
        return self._to_some(category, number, coach, team, "Parents of the team")

    def _to_some(self, category: str, number: int, sender: Person, students: list[Person], audience: str) -> Draft:
        school = self._roll.schools[students[0].school_ids[0]]
        text = self._texts.fill(self._texts.pick(category), sender=sender.name)
        return self._draft(
            category, number, sent_at=self._moments.on_school_day(self._rng, self._hours(category)), sender=sender,
            school=school, subject=text["subject"], body=text["body"], audience=audience,
            channels=self._channels(category, text["sms"], school), targets=self._roll.guardians_of(students),
        )  # fmt: skip

    def _staff_note(self, category: str, number: int, _: int) -> Draft:
        school = self._rng.choice(self._roll.district.schools)
        sender = self._roll.staff_of(school, "Principal")
        text = self._texts.fill(self._texts.pick(category), sender=sender.name)
        teachers = [one for one in self._roll.district.teachers if school.sourced_id in one.school_ids]
        return self._draft(
            category, number, sent_at=self._moments.on_school_day(self._rng, self._hours(category)), sender=sender,
            school=school, subject=text["subject"], body=text["body"], channels={"email": ""},
            targets=[Target(one, school.sourced_id) for one in teachers], audience=f"All teachers, {school.short}",
        )  # fmt: skip

    def _imported(self, category: str, number: int, _: int) -> Draft:
        school = self._rng.choice(self._open)
        sender = self._roll.staff_of(school, "Secretary")
        text = self._texts.fill(self._texts.pick(category), sender=sender.name, short=school.short)
        uploaded = [f"booster{number}.{row}" for row in range(self._rng.randint(8, 25))]
        return self._draft(
            category, number, sent_at=self._moments.on_school_day(self._rng, self._hours(category)), sender=sender,
            school=school, subject=text["subject"], body=text["body"], channels={"email": ""}, audience="Uploaded list",
            targets=[Target(None, "", name=f"Booster Club {row + 1}", address=f"{local}@example.net")
                     for row, local in enumerate(uploaded)],
        )  # fmt: skip

    def _family_note(self, category: str, number: int, _: int) -> Draft:
        teacher = self._rng.choice(self._roll.district.teachers)
        section = self._rng.choice(self._roll.sections_of(teacher))
        student = self._roll.people[self._rng.choice(section.student_ids)]
        template = self._texts.pick(category, student.language, 0.6)
        text = self._texts.fill(template, given=student.preferred_given or student.given, sender=teacher.name)
        return self._draft(
            category, number, sent_at=self._moments.on_school_day(self._rng, self._hours(category)), sender=teacher,
            school=self._roll.schools[section.school_id], subject=text["subject"], body=text["body"],
            channels={"email": ""}, targets=self._roll.guardians_of([student]), language=template["language"],
            kind=template["kind"], audience=f"Parents of {student.name}", is_secure=self._rng.random() < 0.15,
        )  # fmt: skip

    def _parent_question(self, category: str, number: int, _: int) -> Draft:
        student = self._pick_student(self._roll.district.schools)
        parent = self._roll.people[student.agents[0].sourced_id]
        teacher = self._rng.choice(self._roll.teachers_of(student))
        template = self._texts.pick(category, parent.language, 0.6)
        text = self._texts.fill(template, given=student.preferred_given or student.given)
        school = self._roll.schools[student.school_ids[0]]
        return self._draft(
            category, number, sent_at=self._moments.on_any_day(self._rng, self._hours(category)), sender=parent,
            school=school, subject=text["subject"], body=text["body"], channels={"email": ""}, audience=teacher.name,
            targets=[Target(teacher, school.sourced_id)], language=template["language"], kind=template["kind"],
        )  # fmt: skip

    def _pick_student(self, schools: list[School]) -> Person:
        return self._rng.choice([one for school in schools for one in self._roll.students[school.sourced_id]])
