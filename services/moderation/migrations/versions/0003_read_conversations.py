"""Keep what a student wrote for a short while, and whose verdict it is: messages are read together."""

from alembic import op

revision = "0003"
down_revision = "0002"

UPGRADE = """
ALTER TABLE verdicts
    ADD COLUMN author_key text NOT NULL DEFAULT '',
    ADD COLUMN context_messages integer NOT NULL DEFAULT 0;
CREATE INDEX verdicts_watched ON verdicts (reached_at, author_key) WHERE decision = 'watch';
-- Texts by pseudonym alone, for as long as messages are read together, and no longer.
CREATE TABLE recent_texts (
    message_id uuid PRIMARY KEY,
    conversation_key text NOT NULL CHECK (conversation_key <> ''),
    said text NOT NULL,
    said_at timestamptz NOT NULL,
    -- It was withheld for what it says alone; it must not condemn the messages around it.
    is_held boolean NOT NULL DEFAULT false,
    kept_until timestamptz NOT NULL
);
CREATE INDEX recent_texts_by_conversation ON recent_texts (conversation_key, said_at);
CREATE INDEX recent_texts_by_end ON recent_texts (kept_until);
"""


def upgrade() -> None:
    """Add them."""
    op.execute(UPGRADE)
