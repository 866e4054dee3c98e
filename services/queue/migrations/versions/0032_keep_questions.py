"""Keep what moderation was asked until it has answered, so that a lost question or verdict is asked for again."""

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Create the table of one row for each question that waits: of a message, or of a translation of it."""
    op.execute(
        "CREATE TABLE screening_questions (message_id uuid NOT NULL REFERENCES messages, language text NOT NULL,"
        " event_id uuid NOT NULL, payload bytea NOT NULL, ask_at timestamptz NOT NULL,"
        " tries integer NOT NULL DEFAULT 0, PRIMARY KEY (message_id, language))"
    )
    op.execute("CREATE INDEX screening_questions_by_time ON screening_questions (ask_at)")
