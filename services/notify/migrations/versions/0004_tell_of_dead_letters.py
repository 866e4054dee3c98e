"""Tell administrators of events that no consumer could take."""

from alembic import op

revision = "0004"
down_revision = "0003"

OCCASIONS = (
    "('alert', 'follow_up', 'warning', 'referral', 'stalled', 'dead_letter', 'reminder_1', 'reminder_2', 'reminder_3')"
)


def upgrade() -> None:
    """Let submissions be about dead letters."""
    for table in ("submissions", "told"):
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_occasion_check,"
            f" ADD CONSTRAINT {table}_occasion_check CHECK (occasion IN {OCCASIONS})"
        )
