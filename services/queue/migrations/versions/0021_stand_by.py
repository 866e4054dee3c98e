"""Keep which provider has been failing, so that its standby takes over in every dispatcher."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        "CREATE TABLE circuits (provider text PRIMARY KEY, failing_since timestamptz, failed_at timestamptz NOT NULL,"
        " opened_at timestamptz, closed_at timestamptz, tried_at timestamptz,"
        " CONSTRAINT circuits_open_for_a_reason CHECK (opened_at IS NULL OR failing_since IS NOT NULL))"
    )
