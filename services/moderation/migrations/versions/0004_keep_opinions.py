"""Keep what reviewers at the vendor said about messages: an opinion, which nothing acts upon."""

from alembic import op

revision = "0004"
down_revision = "0003"

UPGRADE = """
CREATE TABLE opinions (
    event_id text PRIMARY KEY CHECK (length(event_id) BETWEEN 1 AND 100),
    message_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('allowed', 'rejected', 'resolved')),
    said_at timestamptz NOT NULL
);
CREATE INDEX opinions_by_message ON opinions (message_id);
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(UPGRADE)
