"""Refer students; show a student's own name under From, whatever school they attend."""

from alembic import op

revision = "0002"
down_revision = "0001"

UPGRADE = """
CREATE TABLE referrals (
    referral_id uuid PRIMARY KEY,
    message_id uuid NOT NULL UNIQUE REFERENCES messages,
    student_id text NOT NULL CHECK (student_id <> ''),
    student_name text NOT NULL,
    school_id text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('self_harm', 'threat', 'bullying', 'language', 'other')),
    notes text NOT NULL CHECK (length(notes) <= 4000),
    told jsonb NOT NULL CHECK (jsonb_typeof(told) = 'array' AND jsonb_array_length(told) <= 50),
    created_at timestamptz NOT NULL,
    created_by_id text NOT NULL,
    created_by_name text NOT NULL
);
CREATE INDEX referrals_by_time ON referrals (created_at DESC, referral_id DESC);
UPDATE messages SET from_words = sender_name
    WHERE sender_role IN ('student', 'parent') AND from_words <> sender_name;
"""


def upgrade() -> None:
    """Create the table, and repair what an excluded school's students were called."""
    op.execute(UPGRADE)
