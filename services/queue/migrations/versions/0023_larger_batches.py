"""Let a batch hold up to 1,000 recipients: claiming and settling it cost about the same as for fewer."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Widen the bound."""
    _bound(1000, "")


def _bound(most: int, for_new: str) -> None:
    op.execute("ALTER TABLE batches DROP CONSTRAINT batches_size_bounded")
    op.execute(
        "ALTER TABLE batches ADD CONSTRAINT batches_size_bounded"
        f" CHECK (cardinality(numbers) BETWEEN 1 AND {most}){for_new}"
    )
