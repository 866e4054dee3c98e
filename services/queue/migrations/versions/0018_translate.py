"""Keep what messages were translated into, as it was sent."""

from alembic import op

revision = "0018"
down_revision = "0017"

_TABLES = """
CREATE TABLE translations (
  message_id uuid NOT NULL REFERENCES messages (message_id),
  language text NOT NULL,
  stage text NOT NULL,
  reason text NOT NULL DEFAULT '',
  provider text NOT NULL DEFAULT '',
  is_screened boolean NOT NULL DEFAULT false,
  tries smallint NOT NULL DEFAULT 0,
  deadline_at timestamptz,
  next_try_at timestamptz,
  decided_at timestamptz,
  PRIMARY KEY (message_id, language),
  CONSTRAINT translations_stage_known CHECK (stage IN ('waiting', 'wanted', 'translated', 'original')),
  CONSTRAINT translations_wanted_in_time CHECK (
    stage <> 'wanted' OR (deadline_at IS NOT NULL AND next_try_at IS NOT NULL)),
  CONSTRAINT translations_decided CHECK (
    (stage IN ('translated', 'original')) = (decided_at IS NOT NULL) AND (stage = 'original') = (reason <> '')
    AND (stage = 'translated') = (provider <> ''))
);
CREATE INDEX translations_wanted ON translations (next_try_at) WHERE stage = 'wanted';
CREATE TABLE translated_texts (
  message_id uuid NOT NULL,
  language text NOT NULL,
  digest bytea NOT NULL,
  text text NOT NULL,
  PRIMARY KEY (message_id, language, digest),
  FOREIGN KEY (message_id, language) REFERENCES translations (message_id, language)
);
"""


def upgrade() -> None:
    """Create the tables; batches and inboxes name their language. No default is written into old rows."""
    op.execute("ALTER TABLE messages ADD COLUMN is_translated boolean NOT NULL DEFAULT false")
    for table in ("batches", "inbox_items"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN translated_into text NOT NULL DEFAULT ''")
    op.execute(_TABLES)
