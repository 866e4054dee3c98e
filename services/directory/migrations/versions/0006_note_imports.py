"""Keep when a roster was imported last, so that a student information system that falls silent is noticed."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """One row, which the first import writes."""
    op.execute(
        "CREATE TABLE last_import (id boolean PRIMARY KEY DEFAULT true CHECK (id), imported_at timestamptz NOT NULL)"
    )
