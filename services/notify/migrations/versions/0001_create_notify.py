"""Create notify's tables."""

from alembic import op

revision = "0001"
down_revision = None

UPGRADE = """
CREATE TABLE threats (
    message_id uuid PRIMARY KEY,
    sender_name text NOT NULL,
    recipient_names text[] NOT NULL,
    text text NOT NULL,
    verdict bytea NOT NULL,
    raised_at timestamptz NOT NULL
);
-- Statement 181: one alert a threat and holder, whatever is delivered again.
CREATE TABLE alerts (
    alert_id uuid PRIMARY KEY,
    message_id uuid NOT NULL REFERENCES threats,
    person_id text NOT NULL CHECK (person_id <> ''),
    dismissed_at timestamptz,
    UNIQUE (message_id, person_id)
);
CREATE INDEX alerts_open ON alerts (person_id) WHERE dismissed_at IS NULL;
-- An acknowledgement may come before its threat, hence no reference.
CREATE TABLE acknowledgements (
    message_id uuid PRIMARY KEY,
    person_id text NOT NULL CHECK (person_id <> ''),
    name text NOT NULL,
    acknowledged_at timestamptz NOT NULL
);
CREATE TABLE submissions (
    message_id uuid NOT NULL REFERENCES threats,
    occasion text NOT NULL CHECK (occasion IN ('alert', 'follow_up', 'warning')),
    header bytea NOT NULL,
    recipients bytea NOT NULL,
    created_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'done', 'refused')),
    attempts integer NOT NULL CHECK (attempts >= 0),
    due_at timestamptz NOT NULL,
    problem text NOT NULL,
    PRIMARY KEY (message_id, occasion)
);
CREATE INDEX submissions_due ON submissions (due_at) WHERE state = 'pending';
CREATE TABLE entries (
    entry_id uuid PRIMARY KEY,
    message_id uuid NOT NULL,
    occasion text NOT NULL,
    way text NOT NULL CHECK (way IN ('push', 'email')),
    heard_version bigint NOT NULL,
    read_version bigint NOT NULL,
    due_at timestamptz NOT NULL,
    FOREIGN KEY (message_id, occasion) REFERENCES submissions
);
CREATE INDEX entries_unread ON entries (due_at) WHERE heard_version > read_version;
CREATE TABLE told (
    message_id uuid NOT NULL REFERENCES threats,
    occasion text NOT NULL CHECK (occasion IN ('alert', 'follow_up', 'warning')),
    person_id text NOT NULL CHECK (person_id <> ''),
    way text NOT NULL CHECK (way IN ('portal', 'push', 'email')),
    name text NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('held', 'pending', 'claimed', 'handed_off', 'sent', 'error', 'expired',
        'duplicate', 'withheld', 'cancelled', 'opted_out')),
    error text NOT NULL,
    PRIMARY KEY (message_id, occasion, person_id, way)
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
CREATE INDEX consumed_events_by_time ON consumed_events (consumed_at);
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(UPGRADE)
