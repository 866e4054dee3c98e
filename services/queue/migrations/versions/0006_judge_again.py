"""Keep which periods were judged again, how far each has come and what it pulled back."""

from alembic import op

revision = "0006"
down_revision = "0005"

_RESCREENINGS = """
CREATE TABLE rescreenings (
  rescreening_id uuid PRIMARY KEY,
  since timestamptz NOT NULL,
  before timestamptz NOT NULL,
  reason text NOT NULL,
  asked_by text NOT NULL,
  asked_by_name text NOT NULL,
  requested_at timestamptz NOT NULL,
  -- How far it has come: everything up to this message was asked about.
  reached_at timestamptz NOT NULL,
  reached_message uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  total bigint NOT NULL,
  asked bigint NOT NULL DEFAULT 0,
  judged bigint NOT NULL DEFAULT 0,
  withheld bigint NOT NULL DEFAULT 0,
  asked_all_at timestamptz,
  CONSTRAINT rescreenings_period_in_order CHECK (since < before),
  CONSTRAINT rescreenings_explained CHECK (length(reason) BETWEEN 1 AND 500),
  CONSTRAINT rescreenings_counts_in_order CHECK (withheld <= judged AND judged <= asked)
);
CREATE UNIQUE INDEX rescreenings_one_at_a_time ON rescreenings ((true)) WHERE asked_all_at IS NULL;
CREATE INDEX messages_released ON messages (created_at, message_id) WHERE screening = 'released';
"""


def upgrade() -> None:
    """Create the table, and the index that finds what was released."""
    op.execute(_RESCREENINGS)
