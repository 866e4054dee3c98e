"""Know since when a batch waits that is tried again: each try makes it due anew."""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Add when its recipients were first due; NULL, as of nearly all, is due_at."""
    op.execute("ALTER TABLE batches ADD COLUMN waits_since timestamptz")
