"""Know the school of a threat's sender, so that a reminder finds whom its alert would go to then."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add it; of earlier threats no school is known, as of a sender who belongs to none."""
    op.execute("ALTER TABLE threats ADD COLUMN sender_school_id text NOT NULL DEFAULT ''")
