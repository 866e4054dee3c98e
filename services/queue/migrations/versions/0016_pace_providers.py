"""Keep when each provider's next call may begin, for all dispatchers together."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the table: one small row for each provider, changed all the time, so it is not worth a log."""
    op.execute(
        "CREATE UNLOGGED TABLE budgets (provider text PRIMARY KEY, free_at timestamptz NOT NULL,"
        " urgent_free_at timestamptz NOT NULL) WITH (fillfactor = 10)"
    )
