"""Note when a recording was last sent: retention counts from there."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the time; nothing was sent before."""
    op.execute("ALTER TABLE recordings ADD COLUMN used_at timestamptz")
