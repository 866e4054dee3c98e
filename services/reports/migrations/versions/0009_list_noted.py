"""Keep what screening noted and let go, and who closed what was noted of a student."""

from alembic import op

revision = "0009"
down_revision = "0008"

UPGRADE = """
CREATE TABLE noted (
    message_id uuid PRIMARY KEY,
    noted_at timestamptz NOT NULL,
    verdict bytea NOT NULL,
    labels text[] NOT NULL,
    would_hold boolean NOT NULL
);
CREATE INDEX noted_by_time ON noted (noted_at, message_id);
CREATE TABLE noted_closings (
    sender_id text NOT NULL CHECK (sender_id <> ''),
    school_id text NOT NULL,
    through timestamptz NOT NULL,
    sender_name text NOT NULL,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    person_id text NOT NULL CHECK (person_id <> ''),
    name text NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (sender_id, school_id, through)
);
CREATE INDEX noted_closings_by_time ON noted_closings (closed_at);
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(UPGRADE)
