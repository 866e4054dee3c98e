"""Create the queue's tables.

Months are added to the partitioned tables by queue_ensure_month, which runs with the owner's rights: the service's own
role changes rows only.
"""

from alembic import op

revision = "0001"
down_revision = None

_STATES_OF_OUTCOMES = "'handed_off','sent','error','expired','duplicate','withheld','cancelled','opted_out'"
_CHANNELS = "'email','sms','push'"

_MESSAGES = f"""
CREATE TABLE messages (
  message_id uuid PRIMARY KEY,
  created_at timestamptz NOT NULL,
  caller text NOT NULL,
  sender_id text NOT NULL DEFAULT '',
  sender_name text NOT NULL DEFAULT '',
  sender_role smallint NOT NULL,
  sender_school_id text NOT NULL DEFAULT '',
  sender_grade text NOT NULL DEFAULT '',
  subject text NOT NULL DEFAULT '',
  body text NOT NULL DEFAULT '',
  source text NOT NULL,
  kind smallint NOT NULL,
  lane smallint NOT NULL,
  is_secure boolean NOT NULL DEFAULT false,
  is_emergency boolean NOT NULL DEFAULT false,
  once_per_family boolean NOT NULL DEFAULT false,
  send_at timestamptz NOT NULL,
  expires_at timestamptz,
  audience_summary text NOT NULL DEFAULT '',
  language text NOT NULL DEFAULT 'en',
  in_reply_to text NOT NULL DEFAULT '',
  alert_message_id text NOT NULL DEFAULT '',
  from_title text NOT NULL DEFAULT '',
  is_from_excluded_school boolean NOT NULL DEFAULT false,
  recipient_type smallint NOT NULL,
  regarding jsonb NOT NULL DEFAULT '[]',
  regarding_count bigint NOT NULL DEFAULT 0,
  only_recipient_name text NOT NULL DEFAULT '',
  is_imported boolean NOT NULL DEFAULT false,
  screening text NOT NULL,
  verdict bytea,
  decided_at timestamptz,
  cancelled_at timestamptz,
  CONSTRAINT messages_source_known CHECK (source IN ('district', 'school')),
  CONSTRAINT messages_screening_known CHECK (screening IN ('not_needed', 'waiting', 'released', 'withheld')),
  CONSTRAINT messages_lane_known CHECK (lane BETWEEN 1 AND 4),
  CONSTRAINT messages_decided_by_verdict CHECK (screening NOT IN ('released', 'withheld') OR verdict IS NOT NULL),
  CONSTRAINT messages_text_bounded CHECK (length(subject) <= 200 AND length(body) <= 20000)
);
CREATE INDEX messages_sent_box ON messages (sender_id, created_at);

CREATE TABLE entries (
  entry_id uuid PRIMARY KEY,
  message_id uuid NOT NULL REFERENCES messages (message_id),
  created_at timestamptz NOT NULL,
  position smallint NOT NULL,
  channel text NOT NULL,
  text text NOT NULL DEFAULT '',
  expires_at timestamptz NOT NULL,
  resend_of uuid,
  CONSTRAINT entries_channel_known CHECK (channel IN ({_CHANNELS}))
);
CREATE INDEX entries_of_message ON entries (message_id);
CREATE INDEX entries_expiring ON entries (expires_at);
"""

_DELIVERIES = f"""
CREATE TABLE recipients (
  entry_id uuid NOT NULL,
  number integer NOT NULL,
  created_at timestamptz NOT NULL,
  person_id text NOT NULL DEFAULT '',
  name text NOT NULL DEFAULT '',
  role smallint NOT NULL,
  school_id text NOT NULL DEFAULT '',
  staff_id text NOT NULL DEFAULT '',
  regarding_student_id text NOT NULL DEFAULT '',
  regarding_student_name text NOT NULL DEFAULT '',
  student_number text NOT NULL DEFAULT '',
  language text NOT NULL DEFAULT '',
  destination text NOT NULL DEFAULT '',
  problem text NOT NULL DEFAULT '',
  has_account boolean NOT NULL DEFAULT false,
  type smallint NOT NULL,
  PRIMARY KEY (entry_id, number, created_at),
  CONSTRAINT recipients_numbered_from_one CHECK (number > 0)
) PARTITION BY RANGE (created_at);

CREATE TABLE outcomes (
  entry_id uuid NOT NULL,
  number integer NOT NULL,
  created_at timestamptz NOT NULL,
  school_id text NOT NULL DEFAULT '',
  state text NOT NULL,
  attempt smallint NOT NULL,
  provider text NOT NULL DEFAULT '',
  provider_message_id text NOT NULL DEFAULT '',
  error_code text NOT NULL DEFAULT '',
  changed_at timestamptz NOT NULL,
  asked_at timestamptz,
  PRIMARY KEY (entry_id, number, created_at),
  CONSTRAINT outcomes_state_known CHECK (state IN ({_STATES_OF_OUTCOMES})),
  CONSTRAINT outcomes_error_explained CHECK (state <> 'error' OR error_code <> '')
) PARTITION BY RANGE (created_at);
CREATE INDEX outcomes_at_provider ON outcomes (provider_message_id) WHERE provider_message_id <> '';
CREATE INDEX outcomes_unconfirmed ON outcomes (entry_id) WHERE state = 'handed_off';

CREATE FUNCTION queue_ensure_month(moment timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  first timestamptz := date_trunc('month', moment, 'UTC');
  following timestamptz := date_trunc('month', date_trunc('month', moment, 'UTC') + interval '40 days', 'UTC');
  suffix text := to_char(date_trunc('month', moment, 'UTC') AT TIME ZONE 'UTC', 'YYYY_MM');
  parent text;
BEGIN
  IF to_regclass('public.outcomes_' || suffix) IS NOT NULL THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(7013402120);
  FOREACH parent IN ARRAY ARRAY['recipients', 'outcomes'] LOOP
    IF to_regclass('public.' || parent || '_' || suffix) IS NULL THEN
      EXECUTE format(
        'CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
        parent || '_' || suffix, parent, first, following
      );
    END IF;
  END LOOP;
END $$;
"""

_QUEUE = f"""
CREATE TABLE batches (
  batch_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry_id uuid NOT NULL REFERENCES entries (entry_id),
  message_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  school_id text NOT NULL DEFAULT '',
  channel text NOT NULL,
  lane smallint NOT NULL,
  state text NOT NULL,
  numbers integer[] NOT NULL,
  attempt smallint NOT NULL DEFAULT 1,
  due_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  claim_id uuid,
  claimed_at timestamptz,
  lease_until timestamptz,
  calling_at timestamptz,
  changed_at timestamptz NOT NULL,
  CONSTRAINT batches_state_known CHECK (state IN ('held', 'pending', 'claimed', 'withheld')),
  CONSTRAINT batches_channel_known CHECK (channel IN ({_CHANNELS})),
  CONSTRAINT batches_lane_known CHECK (lane BETWEEN 1 AND 4),
  CONSTRAINT batches_size_bounded CHECK (cardinality(numbers) BETWEEN 1 AND 500),
  CONSTRAINT batches_attempt_counted CHECK (attempt >= 1),
  CONSTRAINT batches_claimed_with_lease CHECK (
    (state = 'claimed') = (claim_id IS NOT NULL) AND (claim_id IS NULL) = (lease_until IS NULL)
    AND (claim_id IS NULL) = (claimed_at IS NULL) AND (calling_at IS NULL OR claim_id IS NOT NULL)
  )
);
CREATE INDEX batches_due ON batches (lane, due_at, batch_id) WHERE state = 'pending';
CREATE INDEX batches_leased ON batches (lease_until) WHERE state = 'claimed';
CREATE INDEX batches_of_entry ON batches (entry_id);

CREATE TABLE entry_counts (
  entry_id uuid NOT NULL REFERENCES entries (entry_id),
  school_id text NOT NULL,
  total bigint NOT NULL,
  held bigint NOT NULL DEFAULT 0,
  pending bigint NOT NULL DEFAULT 0,
  sent bigint NOT NULL DEFAULT 0,
  error bigint NOT NULL DEFAULT 0,
  expired bigint NOT NULL DEFAULT 0,
  duplicate bigint NOT NULL DEFAULT 0,
  withheld bigint NOT NULL DEFAULT 0,
  cancelled bigint NOT NULL DEFAULT 0,
  opted_out bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1,
  PRIMARY KEY (entry_id, school_id),
  CONSTRAINT entry_counts_add_up CHECK (
    total = held + pending + sent + error + expired + duplicate + withheld + cancelled + opted_out
  ),
  CONSTRAINT entry_counts_not_negative CHECK (
    held >= 0 AND pending >= 0 AND sent >= 0 AND error >= 0 AND expired >= 0 AND duplicate >= 0 AND withheld >= 0
    AND cancelled >= 0 AND opted_out >= 0
  )
) WITH (fillfactor = 50);

CREATE TABLE entry_progress (
  entry_id uuid PRIMARY KEY REFERENCES entries (entry_id),
  is_due boolean NOT NULL DEFAULT false,
  changed_at timestamptz NOT NULL,
  told_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX entry_progress_due ON entry_progress (told_at) WHERE is_due;
"""

_REST = f"""
CREATE TABLE receipts_unmatched (
  receipt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  delivery_key text NOT NULL DEFAULT '',
  provider text NOT NULL,
  provider_message_id text NOT NULL DEFAULT '',
  status text NOT NULL,
  error_code text NOT NULL DEFAULT '',
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  CONSTRAINT receipts_unmatched_once UNIQUE (provider, provider_message_id, delivery_key, status, error_code)
);
CREATE INDEX receipts_unmatched_by_key ON receipts_unmatched (delivery_key);
CREATE INDEX receipts_unmatched_by_provider_id ON receipts_unmatched (provider_message_id);

CREATE TABLE consent (
  channel text NOT NULL,
  destination text NOT NULL,
  is_stopped boolean NOT NULL DEFAULT false,
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (channel, destination),
  CONSTRAINT consent_channel_known CHECK (channel IN ({_CHANNELS}))
);

CREATE TABLE consent_changes (
  change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  channel text NOT NULL,
  destination text NOT NULL,
  action text NOT NULL,
  origin text NOT NULL,
  provider_message_id text NOT NULL DEFAULT '',
  changed_at timestamptz NOT NULL,
  CONSTRAINT consent_changes_action_known CHECK (action IN ('stopped', 'started', 'help', 'ignored'))
);
CREATE UNIQUE INDEX consent_changes_once ON consent_changes (provider_message_id) WHERE provider_message_id <> '';

CREATE TABLE inbox_items (
  person_id text NOT NULL,
  message_id uuid NOT NULL REFERENCES messages (message_id),
  visible_at timestamptz NOT NULL,
  read_at timestamptz,
  regarding_student_name text NOT NULL DEFAULT '',
  PRIMARY KEY (person_id, message_id)
);
CREATE INDEX inbox_items_newest ON inbox_items (person_id, visible_at);
CREATE INDEX inbox_items_of_message ON inbox_items (message_id);

CREATE TABLE idempotency_keys (
  caller text NOT NULL,
  key text NOT NULL,
  header_hash bytea NOT NULL,
  result_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (caller, key),
  CONSTRAINT idempotency_keys_length CHECK (length(key) BETWEEN 1 AND 200)
);

CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL,
  subject text NOT NULL,
  payload bytea NOT NULL,
  traceparent text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE consumed_events (
  durable text NOT NULL,
  event_id uuid NOT NULL,
  consumed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (durable, event_id)
);
"""


def upgrade() -> None:
    """Create everything; existing months are none."""
    for part in (_MESSAGES, _DELIVERIES, _QUEUE, _REST):
        op.execute(part)
