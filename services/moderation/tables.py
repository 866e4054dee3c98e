"""Moderation's tables, as the migrations leave them; the CHECKs stand in the migrations.

verdicts.author_key is left out: only the release before this one writes it, and the next one drops it.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.kit.outbox import outbox_table

metadata = sa.MetaData()
outbox = outbox_table(metadata)
_id = sa.Uuid(as_uuid=False)
_time = sa.DateTime(timezone=True)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("body", JSONB, nullable=False),
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("created_at", _time, nullable=False),
    sa.Column("author_name", sa.Text, nullable=False, server_default=""),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
)
verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("verdict_id", _id, primary_key=True),
    sa.Column("screening_id", _id, nullable=False, unique=True),
    sa.Column("message_id", _id, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("scores", JSONB, nullable=False),
    sa.Column("holds", ARRAY(sa.Text), nullable=False),
    sa.Column("watches", ARRAY(sa.Text), nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("policy_version", sa.BigInteger, sa.ForeignKey("policies.version"), nullable=False),
    sa.Column("explanation", sa.Text, nullable=False),
    sa.Column("tier", sa.Integer, nullable=False),
    sa.Column("reached_at", _time, nullable=False),
    sa.Column("school_id", sa.Text, nullable=False, server_default=""),
    sa.Column("grade", sa.Text, nullable=False, server_default=""),
    sa.Column("is_uncertain", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("phrases", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("is_rescreening", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("context_messages", sa.Integer, nullable=False, server_default="0"),
)
recent_texts = sa.Table(
    "recent_texts",
    metadata,
    sa.Column("message_id", _id, primary_key=True),
    sa.Column("conversation_key", sa.Text, nullable=False),
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("said_at", _time, nullable=False),
    sa.Column("is_held", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("kept_until", _time, nullable=False, index=True),
)
waiting = sa.Table(
    "waiting",
    metadata,
    sa.Column("screening_id", _id, primary_key=True),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("requested_at", _time, nullable=False),
    sa.Column("next_try_at", _time, nullable=False, index=True),
)
opinions = sa.Table(
    "opinions",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("message_id", _id, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("said_at", _time, nullable=False),
)
outages = sa.Table(
    "outages",
    metadata,
    sa.Column("is_open", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("trouble", sa.Text, nullable=False),
    sa.Column("began_at", _time, nullable=False),
    sa.Column("last_at", _time, nullable=False),
    sa.Column("is_told", sa.Boolean, nullable=False, server_default=sa.true()),
)
outage_notices = sa.Table(
    "outage_notices",
    metadata,
    sa.Column("is_latest", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("told_at", _time, nullable=False),
)
