"""Remember the school that somebody works in during a session."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; sessions from before work in the person's first school."""
    op.execute("ALTER TABLE sessions ADD COLUMN school_id text NOT NULL DEFAULT '' CHECK (length(school_id) <= 36)")
