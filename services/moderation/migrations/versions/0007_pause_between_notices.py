"""Note when administrators were last told that the vendor is out, so that one that comes and goes is told of seldom."""

from alembic import op

revision = "0007"
down_revision = "0006"

UPGRADE = """
CREATE TABLE outage_notices (
    is_latest boolean PRIMARY KEY DEFAULT true CONSTRAINT outage_notices_one CHECK (is_latest),
    told_at timestamptz NOT NULL
);
-- What replicas of the release before note is told of by them at once.
ALTER TABLE outages ADD COLUMN is_told boolean NOT NULL DEFAULT true;
"""


def upgrade() -> None:
    """Create the table and add the column."""
    op.execute(UPGRADE)
