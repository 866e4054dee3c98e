"""Note on a schedule how often sending failed, why, and when it is tried again."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add what a failed attempt leaves on its schedule."""
    op.execute(
        "ALTER TABLE schedules ADD COLUMN failures integer NOT NULL DEFAULT 0,"
        " ADD COLUMN failure text NOT NULL DEFAULT '', ADD COLUMN retry_at timestamptz,"
        " ADD CONSTRAINT schedules_failures_noted CHECK ((failures > 0) = (retry_at IS NOT NULL))"
    )
