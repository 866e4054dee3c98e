"""Tell staff of more than threats: of referrals that they follow up, and of screening that stands still."""

from alembic import op

revision = "0002"
down_revision = "0001"

OCCASIONS = "('alert', 'follow_up', 'warning', 'referral', 'stalled')"


def upgrade() -> None:
    """Let submissions be about something that is no threat."""
    for table in ("submissions", "told"):
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_message_id_fkey, DROP CONSTRAINT {table}_occasion_check,"
            f" ADD CONSTRAINT {table}_occasion_check CHECK (occasion IN {OCCASIONS})"
        )
