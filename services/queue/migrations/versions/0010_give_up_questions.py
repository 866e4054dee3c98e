"""Count the questions of a period that never get a verdict, and note when the period last moved."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add both; a period that is at work counts as moved now."""
    op.execute(
        "ALTER TABLE rescreenings ADD COLUMN given_up bigint NOT NULL DEFAULT 0,"
        " ADD COLUMN moved_at timestamptz NOT NULL DEFAULT now(), DROP CONSTRAINT rescreenings_counts_in_order,"
        " ADD CONSTRAINT rescreenings_counts_in_order CHECK (withheld <= judged AND judged + given_up <= asked)"
    )
