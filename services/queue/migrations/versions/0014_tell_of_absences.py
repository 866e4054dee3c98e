"""Keep absences, the rules that tell families of them, and what each rule did."""

from alembic import op

revision = "0014"
down_revision = "0013"

_RULES = """
CREATE TABLE attendance_rules (
  rule_id uuid PRIMARY KEY,
  version bigint NOT NULL DEFAULT 1,
  is_on boolean NOT NULL DEFAULT true,
  owner_id text NOT NULL,
  owner_name text NOT NULL,
  name text NOT NULL,
  school_ids text[] NOT NULL DEFAULT '{}',
  codes text[] NOT NULL,
  content bytea NOT NULL,
  send_time time NOT NULL,
  begins_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  changed_by text NOT NULL,
  changed_by_name text NOT NULL,
  CONSTRAINT attendance_rules_owner_known CHECK (owner_id <> ''),
  CONSTRAINT attendance_rules_bounded CHECK (
    length(name) BETWEEN 1 AND 100 AND cardinality(codes) BETWEEN 1 AND 50 AND cardinality(school_ids) <= 500
    AND length(content) <= 200000)
);
CREATE INDEX attendance_rules_of_owner ON attendance_rules (owner_id);
CREATE TABLE attendance_rule_changes (
  rule_id uuid NOT NULL REFERENCES attendance_rules (rule_id),
  version bigint NOT NULL,
  changed_at timestamptz NOT NULL,
  changed_by text NOT NULL,
  changed_by_name text NOT NULL,
  what text NOT NULL,
  content bytea NOT NULL,
  PRIMARY KEY (rule_id, version),
  CONSTRAINT attendance_rule_changes_known CHECK (what IN ('created', 'edited', 'switched on', 'switched off'))
);
"""
_ABSENCES = """
CREATE TABLE absences (
  student_id text NOT NULL,
  day date NOT NULL,
  period text NOT NULL DEFAULT '',
  school_id text NOT NULL,
  code text NOT NULL,
  is_withdrawn boolean NOT NULL DEFAULT false,
  stated_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (student_id, day, period),
  CONSTRAINT absences_bounded CHECK (length(code) BETWEEN 1 AND 20 AND length(period) <= 20)
);
CREATE INDEX absences_of_day ON absences (day, school_id);
"""
_RUNS = """
CREATE TABLE attendance_runs (
  rule_id uuid NOT NULL REFERENCES attendance_rules (rule_id),
  school_id text NOT NULL,
  day date NOT NULL,
  students integer NOT NULL,
  message_id uuid,
  reason text NOT NULL DEFAULT '',
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (rule_id, school_id, day),
  CONSTRAINT attendance_runs_explained CHECK ((message_id IS NULL) = (reason <> ''))
);
CREATE INDEX attendance_runs_of_day ON attendance_runs (day);
CREATE TABLE attendance_notices (
  rule_id uuid NOT NULL,
  student_id text NOT NULL,
  day date NOT NULL,
  message_id uuid NOT NULL,
  codes text NOT NULL,
  PRIMARY KEY (rule_id, student_id, day)
);
CREATE INDEX attendance_notices_of_message ON attendance_notices (message_id, student_id);
CREATE INDEX attendance_notices_of_student ON attendance_notices (student_id, day);
"""


def upgrade() -> None:
    """Create the tables."""
    for each in (_RULES, _ABSENCES, _RUNS):
        op.execute(each)
