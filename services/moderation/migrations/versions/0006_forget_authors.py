"""Keep no pseudonym of the author with a verdict: reports knows who wrote what was noted."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Drop the column, and its index with it."""
    op.execute("ALTER TABLE verdicts DROP COLUMN author_key")
