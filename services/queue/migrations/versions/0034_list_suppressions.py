"""List suppressions, newest first, page by page."""

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Find them by time, then by what tells those of one moment apart."""
    op.execute("CREATE INDEX suppressions_by_time ON suppressions (suppressed_at, channel, destination)")
