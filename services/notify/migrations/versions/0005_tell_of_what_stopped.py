"""Tell staff of what stopped by itself."""

from alembic import op

revision = "0005"
down_revision = "0004"

OCCASIONS = (
    "('alert', 'follow_up', 'warning', 'referral', 'stalled', 'dead_letter', 'account_refused', 'mail_held_back',"
    " 'schedule_paused', 'attendance_not_sent', 'reminder_1', 'reminder_2', 'reminder_3')"
)


def upgrade() -> None:
    """Let submissions be about accounts, e-mail, schedules and attendance runs."""
    for table in ("submissions", "told"):
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_occasion_check,"
            f" ADD CONSTRAINT {table}_occasion_check CHECK (occasion IN {OCCASIONS})"
        )
