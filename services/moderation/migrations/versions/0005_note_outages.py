"""Note since when the embedded model decides in the vendor's place, so that administrators are told once."""

from alembic import op

revision = "0005"
down_revision = "0004"

UPGRADE = """
CREATE TABLE outages (
    is_open boolean PRIMARY KEY DEFAULT true CONSTRAINT outages_one CHECK (is_open),
    trouble text NOT NULL CHECK (trouble IN ('silent', 'quota', 'refused')),
    began_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    CHECK (last_at >= began_at)
);
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(UPGRADE)
