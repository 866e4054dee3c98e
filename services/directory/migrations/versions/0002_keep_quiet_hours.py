"""Keep the quiet hours of schools."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the hours: both or neither, in the school's own zone."""
    op.execute(
        "ALTER TABLE schools ADD COLUMN quiet_from time, ADD COLUMN quiet_until time,"
        " ADD CONSTRAINT schools_quiet_hours_whole"
        " CHECK ((quiet_from IS NULL) = (quiet_until IS NULL) AND coalesce(quiet_from <> quiet_until, true))"
    )
