"""A message as somebody fills it in, before anything of it is checked."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from protos.types.v1 import types_pb2 as types
from services.gateway.asking import Asking
from services.gateway.recurring import When

AUDIENCES = ("directory", "people", "list")
"""Ways to say whom a message is for: a selection of the directory, people by name, an uploaded list."""


@dataclass(kw_only=True)
class Named:
    """Whom a form names, in each of the ways to say it."""

    school_ids: list[str] = field(default_factory=list)
    grades: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    person_ids: list[str] = field(default_factory=list)
    student_ids: list[str] = field(default_factory=list)
    """Whose families get it, beside the people who are named."""
    list_id: str = ""


@dataclass(kw_only=True)
class Spare(Named):
    """What was filled in beside what is chosen: the form shows it again, and nothing of it is sent."""

    texts: dict["types.Channel.ValueType", str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Draft(Named):
    """A message as it was filled in."""

    key: str
    subject: str = ""
    body: str = ""
    channels: dict["types.Channel.ValueType", str] = field(default_factory=dict)
    """Text of each chosen channel; empty means the body."""
    recording_id: str = ""
    """What the recorded call plays."""
    audience: str = AUDIENCES[0]
    """Which of AUDIENCES the form has chosen; the fields of the others are empty, and spare."""
    is_district: bool = False
    is_secure: bool = False
    is_emergency: bool = False
    once_per_family: bool = False
    language: str = "en"
    """In which it is written, one of LANGUAGES."""
    is_translated: bool | None = None
    """Whether each recipient gets it in their language; None: as the district has set it."""
    in_reply_to: str = ""
    from_school_id: str = ""
    """The school that it is from: of a schedule, its own; else the one in which it was begun; empty: where its writer
    works.
    """
    no_use_after: str = ""
    """ISO date and time in the district's zone, as they were filled in; empty: each way's usual time."""
    expires_at: datetime | None = None
    """Of the API, in place of it."""
    when: When = field(default_factory=When)
    asking: Asking = field(default_factory=Asking)
    """What the poll or sign-up asks."""
    spare: Spare = field(default_factory=Spare)

    @property
    def names_people(self) -> bool:
        """Tell whether it is for certain people, in place of roles, schools and grades."""
        return bool(self.person_ids or self.student_ids)

    @property
    def stamp(self) -> str:
        """What tells whether it is still what a preview showed."""
        asked = replace(self.asking, focus="")
        said = [(channel, text.strip()) for channel, text in self.channels.items()]
        shown = replace(self, key="", body=self.body.strip(), channels=dict(said), asking=asked, spare=Spare())
        return sha256(repr(shown).encode()).hexdigest()[:32]

    def expiring(self, zone: ZoneInfo) -> datetime | None:
        """Return after which time it is of no use; None for the usual one, and when that is no date and time."""
        if self.expires_at or not self.no_use_after:
            return self.expires_at
        try:
            return datetime.fromisoformat(self.no_use_after).replace(tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    def is_chosen(self, channel: "types.Channel.ValueType") -> bool:
        """Tell whether the editor shows a channel as chosen: a poll or a sign-up is the e-mail."""
        return channel in self.channels or (channel == types.CHANNEL_EMAIL and bool(self.asking.kind))

    def text_of(self, channel: "types.Channel.ValueType") -> str:
        """Return a channel's own text as the editor shows it."""
        asked = self.channels.get(self.asking.channel, "") if channel == types.CHANNEL_EMAIL else ""
        return self.channels.get(channel, "") or asked or self.spare.texts.get(channel, "")
