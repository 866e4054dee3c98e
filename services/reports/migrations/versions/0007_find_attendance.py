"""Find the messages of the Attendance report without looking at all others."""

from alembic import op

revision = "0007"
down_revision = "0006"

UPGRADE = "CREATE INDEX messages_of_attendance ON messages (sent_at DESC, message_id) WHERE kind = 'attendance'"


def upgrade() -> None:
    """Add the index."""
    op.execute(UPGRADE)
