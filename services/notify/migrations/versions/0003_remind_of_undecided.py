"""Remind of threats that somebody acknowledged and nobody decided."""

from alembic import op

revision = "0003"
down_revision = "0002"

OCCASIONS = "('alert', 'follow_up', 'warning', 'referral', 'stalled', 'reminder_1', 'reminder_2', 'reminder_3')"


def upgrade() -> None:
    """Keep what is decided, and let submissions be reminders."""
    # A decision may come before its threat, hence no reference.
    op.execute("CREATE TABLE decisions (message_id uuid PRIMARY KEY, decided_at timestamptz NOT NULL)")
    op.execute("CREATE INDEX acknowledgements_by_time ON acknowledgements (acknowledged_at)")
    for table in ("submissions", "told"):
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_occasion_check,"
            f" ADD CONSTRAINT {table}_occasion_check CHECK (occasion IN {OCCASIONS})"
        )
