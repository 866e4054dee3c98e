"""Find who sent the newest messages without looking at all of them."""

from alembic import op

revision = "0010"
down_revision = "0009"

UPGRADE = "CREATE INDEX messages_by_time ON messages (sent_at DESC)"


def upgrade() -> None:
    """Add the index."""
    op.execute(UPGRADE)
