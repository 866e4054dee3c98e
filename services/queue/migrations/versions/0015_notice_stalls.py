"""Note that somebody was told of messages that wait too long for screening, so that they are told once."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Create the table of at most one row, and the index of what waits."""
    op.execute(
        "CREATE TABLE screening_stalls (is_open boolean PRIMARY KEY DEFAULT true, told_at timestamptz NOT NULL,"
        " CONSTRAINT screening_stalls_one CHECK (is_open))"
    )
    op.execute("CREATE INDEX messages_waiting ON messages (created_at) WHERE screening = 'waiting'")
