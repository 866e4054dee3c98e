"""Keep the quiet hours of schools, as directory has them."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table; a school without quiet hours has no row."""
    op.execute(
        "CREATE TABLE quiet_hours (school_id text PRIMARY KEY, time_zone text NOT NULL, begins time NOT NULL,"
        " ends time NOT NULL, CONSTRAINT quiet_hours_not_empty CHECK (begins <> ends))"
    )
