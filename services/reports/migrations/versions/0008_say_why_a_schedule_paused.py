"""Keep why a schedule paused by itself."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the reason; of schedules that paused before, their own page alone says it."""
    op.execute("ALTER TABLE schedules ADD COLUMN pause_reason text NOT NULL DEFAULT ''")
