"""What the e-mail of a poll or a sign-up says: its text, and the recipient's own link."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.queue.links import Link, Links
from services.queue.surveys import LINK_KEPT, Survey
from services.queue.work import Delivery, Work


@dataclass(frozen=True)
class Invitations:
    """Writes invitations."""

    url: str
    """The gateway's /answer, as families reach it."""
    links: Links
    zone: str
    """The district's."""

    def sentences(self, closes_at: datetime) -> tuple[str, str, str]:
        """Return what is around a link: for one student's, for anybody's, and below it. Translated like any text."""
        until = _until(closes_at, self.zone)
        below = f"You can change it until {until}. The link is yours alone: whoever has it can answer for you."
        return "Your answer about {student}:", "Your answer:", below

    def around(self, survey: Survey) -> Sequence[str]:
        """Return what is translated with a poll or a sign-up."""
        return self.sentences(survey.closes_at) if survey.closes_at else ()

    def write(self, work: Work, recipient: Delivery) -> str:
        """Return the text for one recipient. Their link is the same at each attempt, and when it is sent again."""
        content = work.content
        if content.survey_id is None or content.closes_at is None:
            return content.text
        link = Link(content.survey_id, recipient.number, content.closes_at + LINK_KEPT)
        # What stands for brothers and sisters is about none of them alone.
        student = "" if content.once_per_family else recipient.regarding_student_name
        about, plain, below = map(work.wording.of, self.sentences(content.closes_at))
        above = about.replace("{student}", student) if student else plain
        return f"{content.text}\n\n{above}\n{self.url}/{self.links.sign(link)}\n\n{below}"


def _until(moment: datetime, zone: str) -> str:
    """Return "Friday, 27 November 2026, 8:00 pm (New York time)"."""
    local = moment.astimezone(ZoneInfo(zone))
    clock = f"{local.hour % 12 or 12}:{local.minute:02d} {'am' if local.hour < 12 else 'pm'}"
    place = zone.rpartition("/")[2].replace("_", " ")
    return f"{local:%A}, {local.day} {local:%B %Y}, {clock} ({place} time)"
