"""Ask: polls and sign-ups, their options with what is taken of them, who may answer in the portal, and the answers."""

from alembic import op

revision = "0012"
down_revision = "0011"

_CHANNELS = "'email', 'sms', 'tts', 'recorded', 'push', 'poll', 'signup'"
_WIDENED = (
    ("entries", "entries_channel_known"),
    ("batches", "batches_channel_known"),
    ("consent", "consent_channel_known"),
)
_TABLES = """
CREATE TABLE surveys (
  survey_id uuid PRIMARY KEY,
  message_id uuid NOT NULL UNIQUE REFERENCES messages (message_id),
  -- The message's: names the partition of its recipients.
  created_at timestamptz NOT NULL,
  channel text NOT NULL,
  questions jsonb NOT NULL,
  closes_at timestamptz NOT NULL,
  CONSTRAINT surveys_channel_known CHECK (channel IN ('poll', 'signup')),
  CONSTRAINT surveys_questions_bounded CHECK (jsonb_array_length(questions) BETWEEN 1 AND 10)
);
CREATE TABLE survey_options (
  survey_id uuid NOT NULL REFERENCES surveys (survey_id),
  question smallint NOT NULL,
  option smallint NOT NULL,
  capacity integer,
  taken integer NOT NULL DEFAULT 0,
  PRIMARY KEY (survey_id, question, option),
  CONSTRAINT survey_options_numbered CHECK (question BETWEEN 1 AND 10 AND option BETWEEN 1 AND 10),
  CONSTRAINT survey_options_capacity_bounded CHECK (capacity BETWEEN 1 AND 1000),
  CONSTRAINT survey_options_not_overbooked CHECK (taken >= 0 AND (capacity IS NULL OR taken <= capacity))
);
CREATE TABLE survey_respondents (
  person_id text NOT NULL,
  survey_id uuid NOT NULL REFERENCES surveys (survey_id),
  number integer NOT NULL,
  PRIMARY KEY (person_id, survey_id, number)
);
CREATE TABLE responses (
  survey_id uuid NOT NULL REFERENCES surveys (survey_id),
  number integer NOT NULL,
  -- One for each question: the chosen option, 0 for none.
  chosen smallint[] NOT NULL,
  version integer NOT NULL,
  origin text NOT NULL,
  answered_at timestamptz NOT NULL,
  is_told boolean NOT NULL,
  PRIMARY KEY (survey_id, number),
  CONSTRAINT responses_numbered CHECK (number > 0),
  CONSTRAINT responses_bounded CHECK (cardinality(chosen) BETWEEN 1 AND 10),
  CONSTRAINT responses_origin_known CHECK (origin IN ('link', 'inbox', 'service', 'import'))
);
CREATE INDEX responses_untold ON responses (answered_at) WHERE NOT is_told;
ALTER TABLE entries ADD COLUMN survey_id uuid REFERENCES surveys (survey_id),
  ADD CONSTRAINT entries_survey_is_asked CHECK ((survey_id IS NOT NULL) = (channel IN ('poll', 'signup')));
"""


def upgrade() -> None:
    """Widen what is checked; every row fits already."""
    for table, name in _WIDENED:
        op.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} CHECK (channel IN ({_CHANNELS}))"
        )
    op.execute(_TABLES)
