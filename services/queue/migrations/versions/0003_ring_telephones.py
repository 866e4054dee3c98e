"""Deliver by calls: two more channels, smaller batches for them, recordings."""

from alembic import op

revision = "0003"
down_revision = "0002"

_CHANNELS = "'email', 'sms', 'tts', 'recorded', 'push'"
_WIDENED = (
    ("entries", "entries_channel_known"),
    ("batches", "batches_channel_known"),
    ("consent", "consent_channel_known"),
)
_RECORDINGS = """
CREATE TABLE recordings (
  recording_id uuid PRIMARY KEY,
  owner_id text NOT NULL,
  content_type text NOT NULL,
  size_bytes integer NOT NULL,
  duration_seconds real NOT NULL,
  created_at timestamptz NOT NULL,
  stored_at timestamptz,
  removing_at timestamptz,
  removed_at timestamptz,
  CONSTRAINT recordings_type_known CHECK (content_type IN ('audio/wav', 'audio/mpeg')),
  CONSTRAINT recordings_size_bounded CHECK (size_bytes BETWEEN 1 AND 10485760),
  CONSTRAINT recordings_duration_bounded CHECK (duration_seconds > 0 AND duration_seconds <= 300),
  CONSTRAINT recordings_removed_in_order CHECK (removed_at IS NULL OR removing_at IS NOT NULL)
);
CREATE INDEX recordings_kept ON recordings (created_at) WHERE removed_at IS NULL;
ALTER TABLE entries ADD COLUMN recording_id uuid REFERENCES recordings (recording_id),
  ADD CONSTRAINT entries_recording_is_played CHECK (recording_id IS NULL OR channel = 'recorded');
CREATE INDEX entries_of_recording ON entries (recording_id) WHERE recording_id IS NOT NULL;
"""


def upgrade() -> None:
    """Widen what is checked; every row fits already."""
    for table, name in _WIDENED:
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} CHECK (channel IN ({_CHANNELS}))"
        )
    op.execute(
        "ALTER TABLE batches ADD CONSTRAINT batches_of_calls_small"
        " CHECK (channel NOT IN ('tts', 'recorded') OR cardinality(numbers) <= 100)"
    )
    op.execute(_RECORDINGS)
