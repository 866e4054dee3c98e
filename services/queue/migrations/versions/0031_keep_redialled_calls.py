"""Keep for a while which calls nobody took, so that none of them is taken for a later call whose outcome was lost."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Create the table of one row for each call that was made again, by the provider's id."""
    op.execute("CREATE TABLE redialled_calls (provider_message_id text PRIMARY KEY, redialled_at timestamptz NOT NULL)")
    op.execute("CREATE INDEX redialled_calls_by_time ON redialled_calls (redialled_at)")
