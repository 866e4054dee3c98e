"""Find what students had delivered while screening was off, too: a period that is judged again judges it as well."""

from alembic import op

revision = "0029"
down_revision = "0028"


_TO_JUDGE_AGAIN = (
    "messages_to_judge_again ON messages (created_at, message_id)"
    " WHERE screening = 'released' OR (screening = 'not_needed' AND sender_role = 3)"
)


def upgrade() -> None:
    """Put an index of everything that a period may ask about in place of the one of released messages."""
    _replace("messages_released", "messages_to_judge_again", _TO_JUDGE_AGAIN)


def _replace(old: str, new: str, definition: str) -> None:
    """Put one index in place of another while messages are being written, however long the table is."""
    with op.get_context().autocommit_block():
        # It waits for every transaction that has begun, and a long message takes its time; it blocks none of them.
        op.execute("SET lock_timeout = 0")
        # What an attempt left that was broken off is of no use.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {new}")
        op.execute(f"CREATE INDEX CONCURRENTLY {definition}")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {old}")
        op.execute("SET lock_timeout = '4s'")
