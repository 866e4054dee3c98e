"""Keep messages that are sent later, and what became of each of their occurrences."""

from alembic import op

revision = "0005"
down_revision = "0004"

_SCHEDULES = """
CREATE TABLE schedules (
  schedule_id uuid PRIMARY KEY,
  version bigint NOT NULL DEFAULT 1,
  state text NOT NULL,
  pause_reason text NOT NULL DEFAULT '',
  caller text NOT NULL,
  sender_id text NOT NULL,
  sender_school_id text NOT NULL DEFAULT '',
  school_ids text[] NOT NULL DEFAULT '{}',
  header bytea NOT NULL,
  audience bytea NOT NULL,
  start_date date NOT NULL,
  send_time time NOT NULL,
  rule text NOT NULL DEFAULT '',
  end_date date,
  time_zone text NOT NULL,
  next_at timestamptz,
  created_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  recording_id uuid REFERENCES recordings (recording_id),
  CONSTRAINT schedules_state_known CHECK (state IN ('active', 'paused', 'cancelled', 'finished')),
  CONSTRAINT schedules_next_while_active CHECK ((state = 'active') = (next_at IS NOT NULL)),
  CONSTRAINT schedules_reason_while_paused CHECK (state = 'paused' OR pause_reason = ''),
  CONSTRAINT schedules_sender_known CHECK (sender_id <> ''),
  CONSTRAINT schedules_bounded CHECK (length(rule) <= 200 AND length(header) <= 400000 AND length(audience) <= 400000),
  CONSTRAINT schedules_end_in_order CHECK (end_date IS NULL OR end_date >= start_date)
);
CREATE INDEX schedules_due ON schedules (next_at) WHERE state = 'active';
CREATE INDEX schedules_playing ON schedules (recording_id) WHERE recording_id IS NOT NULL;
CREATE INDEX schedules_of_sender ON schedules (sender_id, created_at);
"""
_OCCURRENCES = """
CREATE TABLE schedule_occurrences (
  schedule_id uuid NOT NULL REFERENCES schedules (schedule_id),
  occurs_at timestamptz NOT NULL,
  message_id uuid,
  reason text NOT NULL DEFAULT '',
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (schedule_id, occurs_at),
  CONSTRAINT schedule_occurrences_explained CHECK ((message_id IS NULL) = (reason <> ''))
);
"""


def upgrade() -> None:
    """Create both tables."""
    op.execute(_SCHEDULES)
    op.execute(_OCCURRENCES)
