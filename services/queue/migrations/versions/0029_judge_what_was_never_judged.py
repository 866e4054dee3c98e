"""Find what students had delivered while screening was off, too: a period that is judged again judges it as well."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put an index of everything that a period may ask about in place of the one of released messages."""
    op.execute(
        "CREATE INDEX messages_to_judge_again ON messages (created_at, message_id)"
        " WHERE screening = 'released' OR (screening = 'not_needed' AND sender_role = 3)"
    )
    op.execute("DROP INDEX messages_released")


def downgrade() -> None:
    """Put the index of released messages back."""
    op.execute("CREATE INDEX messages_released ON messages (created_at, message_id) WHERE screening = 'released'")
    op.execute("DROP INDEX messages_to_judge_again")
