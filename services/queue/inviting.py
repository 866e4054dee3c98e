"""What the e-mail of a poll or a sign-up says, and texts and push beside it: the text, and the recipient's own link."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.queue.domain import MAX_TEXT, Channel
from services.queue.links import LENGTH, Link, Links
from services.queue.merging import text_for
from services.queue.surveys import LINK_KEPT, Survey
from services.queue.translating import cut
from services.queue.work import Delivery, Work

_USUAL_NAME = "Guadalupe Rodriguez"


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
        if content.closes_at is None:
            return content.text
        below = work.wording.of(self.sentences(content.closes_at)[2])
        return f"{content.text}\n\n{self._link(work, recipient)}\n\n{below}"

    def text(self, work: Work, recipient: Delivery) -> str:
        """Return a text message for one recipient, with their link when the message asks something."""
        text = text_for(work, recipient)
        if work.content.closes_at is None:
            return text
        link = f"\n{self._link(work, recipient)}"
        return f"{cut(text.rstrip(), MAX_TEXT[Channel.SMS] - len(link))}{link}"

    def usual(self, closes_at: datetime, *, once_per_family: bool) -> str:
        """Return what stands below a text, for somebody with a name of usual length."""
        about, plain, _ = self.sentences(closes_at)
        above = plain if once_per_family else about.replace("{student}", _USUAL_NAME)
        return f"\n{above}\n{self.url}/{'x' * LENGTH}"

    def address(self, work: Work, recipient: Delivery) -> str:
        """Return where the recipient answers; empty when the message asks nothing."""
        content = work.content
        if content.survey_id is None or content.closes_at is None:
            return ""
        link = Link(content.survey_id, recipient.number, content.closes_at + LINK_KEPT)
        return f"{self.url}/{self.links.sign(link)}"

    def _link(self, work: Work, recipient: Delivery) -> str:
        content, address = work.content, self.address(work, recipient)
        if content.closes_at is None or not address:
            return ""
        # What stands for brothers and sisters is about none of them alone.
        student = "" if content.once_per_family else recipient.regarding_student_name
        about, plain, _ = map(work.wording.of, self.sentences(content.closes_at))
        return f"{about.replace('{student}', student) if student else plain}\n{address}"


def _until(moment: datetime, zone: str) -> str:
    """Return "Friday, 27 November 2026, 8:00 pm (New York time)"."""
    local = moment.astimezone(ZoneInfo(zone))
    clock = f"{local.hour % 12 or 12}:{local.minute:02d} {'am' if local.hour < 12 else 'pm'}"
    place = zone.rpartition("/")[2].replace("_", " ")
    return f"{local:%A}, {local.day} {local:%B %Y}, {clock} ({place} time)"
