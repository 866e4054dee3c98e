"""Keep since when an attendance rule counts at the schools that it had before another one was added."""

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Add those times by school; a school without one begins with the rule."""
    op.execute("ALTER TABLE attendance_rules ADD COLUMN schools_begin_at jsonb NOT NULL DEFAULT '{}'")
