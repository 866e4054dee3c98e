"""Note when a reviewer released what screening had withheld: no verdict withholds it again."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; nothing was released so far."""
    op.execute(
        "ALTER TABLE messages ADD COLUMN review_released_at timestamptz,"
        " ADD CONSTRAINT messages_let_go_for_good"
        " CHECK (review_released_at IS NULL OR screening = 'released')"
    )
