"""Keep which addresses were lifted until Amazon SES has them off its own list, too."""

from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Create the table of what is to be told, one row an address; it is empty nearly always."""
    op.execute("CREATE TABLE lifted_addresses (destination text PRIMARY KEY, due_at timestamptz NOT NULL)")
