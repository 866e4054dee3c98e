"""Record how far the calls of a batch have begun, so that a crash leaves only those in question."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add batches.begun; of a batch that was being called before, every call may have begun."""
    op.execute("ALTER TABLE batches ADD COLUMN begun integer NOT NULL DEFAULT 0")
    op.execute("UPDATE batches SET begun = cardinality(numbers) WHERE calling_at IS NOT NULL")
    op.execute(
        "ALTER TABLE batches ADD CONSTRAINT batches_begun_in_order CHECK ("
        "begun BETWEEN 0 AND cardinality(numbers) AND (begun = 0) = (calling_at IS NULL))"
    )
