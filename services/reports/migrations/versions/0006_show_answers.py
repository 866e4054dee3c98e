"""Show what polls and sign-ups asked and what was answered."""

from alembic import op

revision = "0006"
down_revision = "0005"

UPGRADE = """
CREATE TABLE surveys (
    survey_id uuid PRIMARY KEY,
    channel text NOT NULL CHECK (channel IN ('poll', 'signup')),
    questions jsonb NOT NULL CHECK (jsonb_array_length(questions) BETWEEN 1 AND 10),
    closes_at timestamptz NOT NULL
);
CREATE TABLE responses (
    survey_id uuid NOT NULL,
    number bigint NOT NULL,
    version bigint NOT NULL,
    person_id text NOT NULL,
    name text NOT NULL,
    school_id text NOT NULL,
    regarding_student_name text NOT NULL,
    chosen smallint[] NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (survey_id, number)
);
ALTER TABLE entries ADD COLUMN survey_id uuid;
"""


def upgrade() -> None:
    """Create the tables; an answer may be told before its message."""
    op.execute(UPGRADE)
