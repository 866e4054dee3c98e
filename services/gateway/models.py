"""Bodies and answers of the REST API, as its OpenAPI document describes them."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Flag = Annotated[bool, Field(strict=True)]
Way = Literal["email", "sms", "push", "tts", "recorded", "poll", "signup"]
Number = Annotated[int, Field(strict=True)]


class Body(BaseModel):
    """A request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Body):
    """Who signs in."""

    username: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1024)


class FormToken(BaseModel):
    """What changes must carry in the header X-CSRFToken."""

    csrf_token: str


class ViewerAnswer(BaseModel):
    """Who is signed in and what they may do."""

    person_id: str
    name: str
    role: str
    permissions: list[str]
    schools: list[str]
    csrf_token: str


class FlagChange(Body):
    """Set or clear."""

    is_flagged: Flag
    origin: Literal["admin", "system"] = "admin"


class DecisionBody(Body):
    """A decision about a threat."""

    decision: Literal["keep", "release"]
    reason: str = Field(min_length=1, max_length=500)
    seen: Number = Field(default=0, ge=0, le=2**31 - 1)
    """Number of the latest decision that was read before; 0 for none."""


class ResendBody(Body):
    """To whom an entry is sent again, and how."""

    idempotency_key: str = Field(min_length=1, max_length=200)
    state: Literal["errors", "expired"]
    channel: Literal["email", "sms", "tts", "recorded", "push", "poll", "signup"] | None = None
    """Also one that the message did not go by; left out: the entry's own."""


class ColumnsChange(Body):
    """Columns to show."""

    columns: list[str] = Field(min_length=1, max_length=60)


class SchoolChoice(Body):
    """One of the viewer's own schools."""

    school_id: Id


class ReferralBody(Body):
    """A referral to add."""

    message_id: Id
    reason: Literal["self_harm", "threat", "bullying", "language", "other"]
    notes: str = Field(default="", max_length=4000)
    told: list[Id] = Field(default=[], max_length=50)
    """Who follows it up: holders of Flag Messages or Threat Alerts in one of the message's schools."""


class HiddenColumns(BaseModel):
    """Columns that are hidden."""

    hidden: list[str]


_NAMING = ("roles", "person_ids", "student_ids")


class AudienceBody(Body):
    """Whom a message is for."""

    school_ids: list[Id] = Field(default=[], max_length=500)
    grades: list[Annotated[str, Field(max_length=10)]] = Field(default=[], max_length=50)
    roles: list[Literal["parent", "student", "teacher", "admin"]] = Field(default=[], max_length=4)
    person_ids: list[Id] = Field(default=[], max_length=500)
    student_ids: list[Id] = Field(default=[], max_length=500)
    """Whose families get it; with the people at most 500."""


class MessageAudience(AudienceBody):
    """Whom a message is for: roles, people or the students of families are named."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"anyOf": [{"properties": {n: {"minItems": 1}}, "required": [n]} for n in _NAMING]},
    )


class OptionBody(Body):
    """One way to answer, or one slot."""

    text: str = Field(pattern=r"\S", max_length=150)
    capacity: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    """How many may choose it; of a sign-up."""


class QuestionBody(Body):
    """One question, or what a sign-up looks for."""

    text: str = Field(pattern=r"\S", max_length=300)
    options: list[OptionBody] = Field(min_length=1, max_length=10)
    """2 to 10 of a poll."""


class SurveyBody(Body):
    """What the channel `poll` or `signup` asks."""

    questions: list[QuestionBody] = Field(min_length=1, max_length=10)
    closes_at: AwareDatetime
    """Answers are taken until then: later than now, by 366 days at most."""


class MessageBody(Body):
    """A message to send. The same idempotency_key again answers the first result."""

    idempotency_key: str = Field(min_length=1, max_length=200)
    subject: str = Field(pattern=r"\S", max_length=200)
    body: str = Field(pattern=r"\S", max_length=20_000)
    channels: list[Way] = Field(min_length=1, max_length=5)
    texts: dict[Way, Annotated[str, Field(max_length=20_000)]] = {}
    recording_id: Id | None = None
    """What the channel `recorded` plays, from POST /recordings."""
    survey: SurveyBody | None = None
    """What the channel `poll` or `signup` asks. They travel by e-mail: neither goes with the other or with `email`."""
    audience: MessageAudience
    source: Literal["district", "school"] = "school"
    is_secure: Flag = False
    is_emergency: Flag = False
    once_per_family: Flag = False
    language: str = Field(default="en", max_length=35)
    """In which it is written, as Amazon Translate names languages: "en", "es", "ht", "zh-TW" …"""
    is_translated: Flag | None = None
    """Whether each recipient gets it in their language; left out: as the district has set it."""
    in_reply_to: Id | None = None
    expires_at: AwareDatetime | None = None
    """What has not arrived by then is not sent any more: within 30 days; left out: each channel's usual time."""


class AttendanceRuleBody(Body):
    """What an attendance rule does."""

    name: str = Field(min_length=1, max_length=100)
    school_ids: list[Id] = Field(default=[], max_length=500)
    """None: every school that the viewer sees."""
    codes: list[Annotated[str, Field(pattern=r"^[^,]{1,20}$")]] = Field(min_length=1, max_length=50)
    subject: str = Field(min_length=1, max_length=120)
    texts: dict[Literal["email", "sms", "push", "tts"], Annotated[str, Field(max_length=15_000)]] = Field(min_length=1)
    """Text of each channel that it uses; these and the subject may hold {student}, {date}, {school} and {code}."""
    send_time: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    """On the wall of each school."""
    once_per_family: Flag = True
    source: Literal["school", "district"] = "school"
    language: str = Field(default="en", max_length=35)
    """In which it is written, as Amazon Translate names languages."""


class NewAttendanceRule(AttendanceRuleBody):
    """An attendance rule to make."""

    idempotency_key: str = Field(min_length=1, max_length=200)


class ChangedAttendanceRule(AttendanceRuleBody):
    """An attendance rule with another content."""

    version: Number = Field(ge=1, le=2**31 - 1)
    """The one that was read."""


class SwitchBody(Body):
    """On or off."""

    is_on: Flag


class AnswerBody(Body):
    """An answer to a poll or a sign-up."""

    number: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    """Which of the viewer's deliveries, as `mine` names them; 0: the first."""
    chosen: list[Annotated[int, Field(strict=True, ge=0, le=10)]] = Field(min_length=1, max_length=10)
    """One for each question: the chosen option, from 1; 0 for none."""


class Cancelled(BaseModel):
    """What was stopped of a message."""

    cancelled: int
    """How many deliveries."""


class FieldProblem(BaseModel):
    """One wrong field."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem; docs/errors.md lists every reason."""

    type: str
    title: str
    status: int
    detail: str
    reason: str
    errors: list[FieldProblem] | None = None
    instance: str | None = None
