"""What the e-mail of a poll or a sign-up says: its text, and the recipient's own link."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.queue.links import Link, Links
from services.queue.surveys import LINK_KEPT
from services.queue.work import Delivery, Work


@dataclass(frozen=True)
class Invitations:
    """Writes invitations."""

    url: str
    """The gateway's /answer, as families reach it."""
    links: Links
    zone: str
    """The district's."""

    def write(self, work: Work, recipient: Delivery) -> str:
        """Return the text for one recipient. Their link is the same at each attempt, and when it is sent again."""
        content = work.content
        if content.survey_id is None or content.closes_at is None:
            return content.text
        link = Link(content.survey_id, recipient.number, content.closes_at + LINK_KEPT)
        # What stands for brothers and sisters is about none of them alone.
        student = "" if content.once_per_family else recipient.regarding_student_name
        about = f" about {student}" if student else ""
        return (
            f"{content.text}\n\nYour answer{about}:\n{self.url}/{self.links.sign(link)}\n\n"
            f"You can change it until {_until(content.closes_at, self.zone)}. The link is yours alone: whoever has it"
            " can answer for you."
        )


def _until(moment: datetime, zone: str) -> str:
    """Return "Friday, 27 November 2026, 8:00 pm (New York time)"."""
    local = moment.astimezone(ZoneInfo(zone))
    clock = f"{local.hour % 12 or 12}:{local.minute:02d} {'am' if local.hour < 12 else 'pm'}"
    place = zone.rpartition("/")[2].replace("_", " ")
    return f"{local:%A}, {local.day} {local:%B %Y}, {clock} ({place} time)"
