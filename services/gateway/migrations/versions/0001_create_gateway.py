"""Create the gateway's tables."""

from alembic import op

revision = "0001"
down_revision = None

UPGRADE = """
CREATE TABLE accounts (
    username text PRIMARY KEY CHECK (username = lower(username) AND length(username) BETWEEN 1 AND 200),
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    person_id uuid NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    person_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL CHECK (seen_at >= created_at),
    ends_at timestamptz NOT NULL CHECK (ends_at > created_at)
);
CREATE INDEX sessions_by_end ON sessions (ends_at);
CREATE TABLE sign_in_attempts (
    attempt_id uuid PRIMARY KEY,
    key bytea NOT NULL CHECK (length(key) = 32),
    made_at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_by_key ON sign_in_attempts (key, made_at);
CREATE TABLE view_preferences (
    person_id uuid NOT NULL,
    report text NOT NULL CHECK (length(report) BETWEEN 1 AND 50),
    hidden_columns text[] NOT NULL CHECK (cardinality(hidden_columns) <= 60),
    PRIMARY KEY (person_id, report)
);
CREATE TABLE recipient_lists (
    list_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    file_name text NOT NULL CHECK (length(file_name) <= 255),
    entries jsonb NOT NULL,
    problems jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX recipient_lists_by_age ON recipient_lists (created_at);
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(UPGRADE)
