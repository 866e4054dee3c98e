"""Note when somebody was told that a provider refuses our account, so that they are told once."""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Create the table of one row for each provider that ever did."""
    op.execute("CREATE TABLE refused_accounts (provider text PRIMARY KEY, told_at timestamptz NOT NULL)")
