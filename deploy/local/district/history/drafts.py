"""A past message before anyone knows what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deploy.local.district.model import Person, School


@dataclass(frozen=True)
class Target:
    """One recipient: a person, perhaps regarding a student; or a name and an address from an uploaded list."""

    person: Person | None
    school_id: str
    student: Person | None = None
    name: str = ""
    address: str = ""


@dataclass
class Draft:
    """A message as it was composed. `verdict` is "clean", "watch" or "hold" for a student's, empty for others.

    `kind` says what sort of answer fits: the `to` of a template.
    """

    key: str
    category: str
    sent_at: datetime
    sender: Person
    school: School | None
    subject: str
    body: str
    channels: dict[str, str]
    targets: list[Target]
    audience: str
    language: str = "en"
    is_secure: bool = False
    in_reply_to: str = ""
    verdict: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    because: str = ""
    tier: int = 0
    kind: str = ""
    flagged_by: Person | None = None

    @property
    def is_emergency(self) -> bool:
        """Whether it was an emergency call."""
        return self.category == "emergency"

    @property
    def source(self) -> str:
        """Whose name it went out in: the district's when the district office wrote it."""
        return "school" if self.school else "district"


Template = dict[str, Any]
"""An entry of data/texts_*.json: subject, body, perhaps sms, language, scores."""
