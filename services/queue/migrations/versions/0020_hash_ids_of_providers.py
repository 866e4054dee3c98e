"""Find deliveries by the provider's id through a hash index: it is looked up whole, and every delivery writes it."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Put the hash index in place of the ordered one."""
    op.execute(
        "CREATE INDEX outcomes_by_provider_id ON outcomes USING hash (provider_message_id)"
        " WHERE provider_message_id <> ''"
    )
    op.execute("DROP INDEX outcomes_at_provider")
