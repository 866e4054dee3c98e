"""Find the newest messages that are withheld: phrases of the screening policy are tried on them, too."""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Add an index of the few that are withheld, while messages are being written, however long the table is."""
    with op.get_context().autocommit_block():
        # It waits for every transaction that has begun, and a long message takes its time; it blocks none of them.
        op.execute("SET lock_timeout = 0")
        # What an attempt left that was broken off is of no use.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_withheld")
        op.execute(
            "CREATE INDEX CONCURRENTLY messages_withheld ON messages (created_at, message_id)"
            " WHERE screening = 'withheld'"
        )
        op.execute("SET lock_timeout = '4s'")
