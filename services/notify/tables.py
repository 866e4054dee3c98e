"""Notify's tables, as the migrations leave them; the CHECKs stand in the migrations."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from services.kit.outbox import consumed_events_table, outbox_table

metadata = sa.MetaData()
outbox = outbox_table(metadata)
consumed_events = consumed_events_table(metadata)

_text = sa.Text
_id = sa.Uuid(as_uuid=False)
_at = sa.DateTime(timezone=True)

threats = sa.Table(
    "threats",
    metadata,
    sa.Column("message_id", _id, primary_key=True),
    sa.Column("sender_name", _text, nullable=False),
    sa.Column("recipient_names", ARRAY(_text), nullable=False),
    sa.Column("text", _text, nullable=False),
    sa.Column("verdict", sa.LargeBinary, nullable=False),
    sa.Column("raised_at", _at, nullable=False),
    sa.Column("sender_school_id", _text, nullable=False, server_default=""),
)
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", _id, primary_key=True),
    sa.Column("message_id", _id, sa.ForeignKey("threats.message_id"), nullable=False),
    sa.Column("person_id", _text, nullable=False),
    sa.Column("dismissed_at", _at, nullable=True),
    sa.UniqueConstraint("message_id", "person_id"),
)
acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("message_id", _id, primary_key=True),
    sa.Column("person_id", _text, nullable=False),
    sa.Column("name", _text, nullable=False),
    sa.Column("acknowledged_at", _at, nullable=False),
)
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("message_id", _id, primary_key=True),
    sa.Column("decided_at", _at, nullable=False),
)
# In the tables below message_id is what somebody is told about: a threat, a referral, or an event.
submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("message_id", _id, primary_key=True),
    sa.Column("occasion", _text, primary_key=True),
    sa.Column("header", sa.LargeBinary, nullable=False),
    sa.Column("recipients", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _at, nullable=False),
    sa.Column("state", _text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", _at, nullable=False),
    sa.Column("problem", _text, nullable=False),
)
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("entry_id", _id, primary_key=True),
    sa.Column("message_id", _id, nullable=False),
    sa.Column("occasion", _text, nullable=False),
    sa.Column("way", _text, nullable=False),
    sa.Column("heard_version", sa.BigInteger, nullable=False),
    sa.Column("read_version", sa.BigInteger, nullable=False),
    sa.Column("due_at", _at, nullable=False),
)
told = sa.Table(
    "told",
    metadata,
    sa.Column("message_id", _id, primary_key=True),
    sa.Column("occasion", _text, primary_key=True),
    sa.Column("person_id", _text, primary_key=True),
    sa.Column("way", _text, primary_key=True),
    sa.Column("name", _text, nullable=False),
    sa.Column("at", _at, nullable=False),
    sa.Column("state", _text, nullable=False),
    sa.Column("error", _text, nullable=False),
)
