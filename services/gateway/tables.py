"""The gateway's tables; the migrations hold their constraints."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()
_time = sa.DateTime(timezone=True)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("username", sa.Text, primary_key=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False, unique=True),
    sa.Column("created_at", _time, nullable=False, server_default=sa.func.now()),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("created_at", _time, nullable=False),
    sa.Column("seen_at", _time, nullable=False),
    sa.Column("ends_at", _time, nullable=False),
    sa.Column("school_id", sa.Text, nullable=False, server_default=""),
    sa.Index("sessions_by_end", "ends_at"),
)
sign_in_attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    sa.Column("attempt_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.Column("made_at", _time, nullable=False),
    sa.Index("sign_in_attempts_by_key", "key", "made_at"),
)
view_preferences = sa.Table(
    "view_preferences",
    metadata,
    sa.Column("person_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("report", sa.Text, primary_key=True),
    sa.Column("hidden_columns", sa.ARRAY(sa.Text), nullable=False),
)
recipient_lists = sa.Table(
    "recipient_lists",
    metadata,
    sa.Column("list_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("person_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("entries", JSONB, nullable=False),
    sa.Column("problems", JSONB, nullable=False),
    sa.Column("created_at", _time, nullable=False),
    sa.Index("recipient_lists_by_age", "created_at"),
)
