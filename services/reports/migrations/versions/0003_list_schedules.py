"""List messages that are sent later, as the queue tells of them."""

from alembic import op

revision = "0003"
down_revision = "0002"

UPGRADE = """
CREATE TABLE schedules (
    schedule_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'paused', 'cancelled', 'finished')),
    sender_id text NOT NULL,
    sender_name text NOT NULL,
    sender_school_id text NOT NULL,
    school_ids text[] NOT NULL,
    subject text NOT NULL,
    channels text[] NOT NULL,
    is_emergency boolean NOT NULL,
    start_date date NOT NULL,
    send_time text NOT NULL,
    rule text NOT NULL,
    end_date date,
    next_at timestamptz
);
CREATE INDEX schedules_open ON schedules (next_at) WHERE state IN ('active', 'paused');
"""


def upgrade() -> None:
    """Create the table; every schedule tells of itself at its next change."""
    op.execute(UPGRADE)
