"""The reports' tables, as the migrations leave them; the CHECKs stand in the migrations."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.kit.outbox import consumed_events_table, outbox_table
from services.reports.domain import COUNTERS

metadata = sa.MetaData()
outbox = outbox_table(metadata)
consumed_events = consumed_events_table(metadata)

_text = sa.Text
_id = sa.Uuid(as_uuid=False)
_at = sa.DateTime(timezone=True)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("message_id", _id, primary_key=True),
    sa.Column("sent_at", _at, nullable=False),
    sa.Column("sender_id", _text, nullable=False),
    sa.Column("sender_name", _text, nullable=False),
    sa.Column("from_words", _text, nullable=False),
    sa.Column("sender_role", _text, nullable=False),
    sa.Column("sender_school_id", _text, nullable=False),
    sa.Column("source", _text, nullable=False),
    sa.Column("kind", _text, nullable=False),
    sa.Column("subject", _text, nullable=False),
    sa.Column("body", _text, nullable=False),
    sa.Column("is_secure", sa.Boolean, nullable=False),
    sa.Column("is_emergency", sa.Boolean, nullable=False),
    sa.Column("to_words", _text, nullable=False),
    sa.Column("recipient_type", _text, nullable=False),
    sa.Column("regarding", JSONB, nullable=False),
    sa.Column("regarding_words", _text, nullable=False),
    sa.Column("regarding_count", sa.BigInteger, nullable=False),
    sa.Column("screening", _text, nullable=False),
    sa.Column("in_reply_to", _text, nullable=False),
    sa.Column("school_ids", ARRAY(_text), nullable=False),
    sa.Column("referral_id", _text, nullable=False),
    sa.Column("review_version", sa.BigInteger, nullable=False),
)
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("entry_id", _id, primary_key=True),
    sa.Column("message_id", _id, sa.ForeignKey("messages.message_id"), nullable=False),
    sa.Column("sent_at", _at, nullable=False),
    sa.Column("channel", _text, nullable=False),
    sa.Column("text", _text, nullable=False),
    sa.Column("survey_id", _id, nullable=True),
)
surveys = sa.Table(
    "surveys",
    metadata,
    sa.Column("survey_id", _id, primary_key=True),
    sa.Column("channel", _text, nullable=False),
    sa.Column("questions", JSONB, nullable=False),
    sa.Column("closes_at", _at, nullable=False),
)
responses = sa.Table(
    "responses",
    metadata,
    sa.Column("survey_id", _id, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("person_id", _text, nullable=False),
    sa.Column("name", _text, nullable=False),
    sa.Column("school_id", _text, nullable=False),
    sa.Column("regarding_student_name", _text, nullable=False),
    sa.Column("chosen", ARRAY(sa.SmallInteger), nullable=False),
    sa.Column("answered_at", _at, nullable=False),
)
progress = sa.Table(
    "progress",
    metadata,
    sa.Column("entry_id", _id, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)
entry_counts = sa.Table(
    "entry_counts",
    metadata,
    sa.Column("entry_id", _id, primary_key=True),
    sa.Column("school_id", _text, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTERS),
)
early_releases = sa.Table("early_releases", metadata, sa.Column("message_id", _id, primary_key=True))
threats = sa.Table(
    "threats",
    metadata,
    sa.Column("message_id", _id, sa.ForeignKey("messages.message_id"), primary_key=True),
    sa.Column("withheld_at", _at, nullable=False),
    sa.Column("verdict", sa.LargeBinary, nullable=False),
    sa.Column("recipient_names", ARRAY(_text), nullable=False),
    sa.Column("is_imported", sa.Boolean, nullable=False),
    sa.Column("released_at", _at, nullable=True),
    sa.Column("categories", ARRAY(_text), nullable=False),
)
alerted = sa.Table(
    "alerted",
    metadata,
    sa.Column("person_id", _text, primary_key=True),
    sa.Column("message_id", _id, primary_key=True),
)
noted = sa.Table(
    "noted",
    metadata,
    sa.Column("message_id", _id, primary_key=True),
    sa.Column("noted_at", _at, nullable=False),
    sa.Column("verdict", sa.LargeBinary, nullable=False),
    sa.Column("labels", ARRAY(_text), nullable=False),
    sa.Column("would_hold", sa.Boolean, nullable=False),
)
noted_closings = sa.Table(
    "noted_closings",
    metadata,
    sa.Column("sender_id", _text, primary_key=True),
    sa.Column("school_id", _text, primary_key=True),
    sa.Column("through", _at, primary_key=True),
    sa.Column("sender_name", _text, nullable=False),
    sa.Column("reason", _text, nullable=False),
    sa.Column("person_id", _text, nullable=False),
    sa.Column("name", _text, nullable=False),
    sa.Column("closed_at", _at, nullable=False),
)
flags = sa.Table(
    "flags",
    metadata,
    sa.Column("message_id", _id, sa.ForeignKey("messages.message_id"), primary_key=True),
    sa.Column("origin", _text, primary_key=True),
    sa.Column("set_at", _at, nullable=True),
)
acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("message_id", _id, sa.ForeignKey("threats.message_id"), primary_key=True),
    sa.Column("person_id", _text, nullable=False),
    sa.Column("name", _text, nullable=False),
    sa.Column("acknowledged_at", _at, nullable=False),
)
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("message_id", _id, sa.ForeignKey("threats.message_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("outcome", _text, nullable=False),
    sa.Column("reason", _text, nullable=False),
    sa.Column("person_id", _text, nullable=False),
    sa.Column("name", _text, nullable=False),
    sa.Column("decided_at", _at, nullable=False),
)
referrals = sa.Table(
    "referrals",
    metadata,
    sa.Column("referral_id", _id, primary_key=True),
    sa.Column("message_id", _id, sa.ForeignKey("messages.message_id"), nullable=False, unique=True),
    sa.Column("student_id", _text, nullable=False),
    sa.Column("student_name", _text, nullable=False),
    sa.Column("school_id", _text, nullable=False),
    sa.Column("reason", _text, nullable=False),
    sa.Column("notes", _text, nullable=False),
    sa.Column("told", JSONB, nullable=False),
    sa.Column("created_at", _at, nullable=False),
    sa.Column("created_by_id", _text, nullable=False),
    sa.Column("created_by_name", _text, nullable=False),
)
schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("schedule_id", _id, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("state", _text, nullable=False),
    sa.Column("sender_id", _text, nullable=False),
    sa.Column("sender_name", _text, nullable=False),
    sa.Column("sender_school_id", _text, nullable=False),
    sa.Column("school_ids", ARRAY(_text), nullable=False),
    sa.Column("subject", _text, nullable=False),
    sa.Column("channels", ARRAY(_text), nullable=False),
    sa.Column("is_emergency", sa.Boolean, nullable=False),
    sa.Column("start_date", sa.Date, nullable=False),
    sa.Column("send_time", _text, nullable=False),
    sa.Column("rule", _text, nullable=False),
    sa.Column("end_date", sa.Date, nullable=True),
    sa.Column("next_at", _at, nullable=True),
    sa.Column("pause_reason", _text, nullable=False, server_default=""),
)
audit_records = sa.Table(
    "audit_records",
    metadata,
    sa.Column("record_id", _id, primary_key=True),
    sa.Column("at", _at, nullable=False),
    sa.Column("actor_id", _text, nullable=False),
    sa.Column("actor_name", _text, nullable=False),
    sa.Column("action", _text, nullable=False),
    sa.Column("message_id", _id, nullable=True),
    sa.Column("detail", _text, nullable=False),
)
