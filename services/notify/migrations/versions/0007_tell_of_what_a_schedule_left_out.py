"""Tell of a sending that a schedule left out."""

from alembic import op

revision = "0007"
down_revision = "0006"

OCCASIONS = (
    "('alert', 'follow_up', 'warning', 'referral', 'stalled', 'dead_letter', 'account_refused', 'mail_held_back',"
    " 'schedule_paused', 'schedule_not_sent', 'attendance_not_sent', 'provider_out', 'provider_back', 'reminder_1',"
    " 'reminder_2', 'reminder_3')"
)


def upgrade() -> None:
    """Let submissions be about it."""
    for table in ("submissions", "told"):
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_occasion_check,"
            f" ADD CONSTRAINT {table}_occasion_check CHECK (occasion IN {OCCASIONS})"
        )
