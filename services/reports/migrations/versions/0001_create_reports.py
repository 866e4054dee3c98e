"""Create the reports' tables."""

from alembic import op

revision = "0001"
down_revision = None

UPGRADE = """
CREATE TABLE messages (
    message_id uuid PRIMARY KEY,
    sent_at timestamptz NOT NULL,
    sender_id text NOT NULL,
    sender_name text NOT NULL,
    from_words text NOT NULL,
    sender_role text NOT NULL,
    sender_school_id text NOT NULL,
    source text NOT NULL CHECK (source IN ('district', 'school')),
    kind text NOT NULL CHECK (kind IN ('ordinary', 'attendance', 'alert')),
    subject text NOT NULL,
    body text NOT NULL,
    is_secure boolean NOT NULL,
    is_emergency boolean NOT NULL,
    to_words text NOT NULL,
    recipient_type text NOT NULL CHECK (recipient_type IN ('directory', 'imported')),
    regarding jsonb NOT NULL,
    regarding_words text NOT NULL,
    regarding_count bigint NOT NULL CHECK (regarding_count >= 0),
    screening text NOT NULL CHECK (screening IN ('none', 'held', 'released', 'withheld')),
    in_reply_to text NOT NULL,
    school_ids text[] NOT NULL,
    referral_id text NOT NULL DEFAULT '',
    review_version bigint NOT NULL DEFAULT 0 CHECK (review_version >= 0)
);
CREATE INDEX messages_by_sender ON messages (sender_id, sent_at DESC);
CREATE INDEX messages_by_school ON messages USING gin (school_ids);
CREATE INDEX messages_by_reply ON messages (in_reply_to) WHERE in_reply_to <> '';
CREATE TABLE entries (
    entry_id uuid PRIMARY KEY,
    message_id uuid NOT NULL REFERENCES messages,
    sent_at timestamptz NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'sms', 'tts', 'recorded', 'push', 'poll', 'signup')),
    text text NOT NULL
);
CREATE INDEX entries_by_time ON entries (sent_at DESC, entry_id DESC);
CREATE INDEX entries_by_channel ON entries (channel, sent_at DESC, entry_id DESC);
CREATE INDEX entries_by_message ON entries (message_id);
-- Counts may come before the message that they belong to, hence no reference.
CREATE TABLE progress (
    entry_id uuid PRIMARY KEY,
    version bigint NOT NULL
);
CREATE TABLE entry_counts (
    entry_id uuid NOT NULL REFERENCES progress,
    school_id text NOT NULL,
    total bigint NOT NULL,
    held bigint NOT NULL CHECK (held >= 0),
    pending bigint NOT NULL CHECK (pending >= 0),
    sent bigint NOT NULL CHECK (sent >= 0),
    error bigint NOT NULL CHECK (error >= 0),
    expired bigint NOT NULL CHECK (expired >= 0),
    duplicate bigint NOT NULL CHECK (duplicate >= 0),
    withheld bigint NOT NULL CHECK (withheld >= 0),
    cancelled bigint NOT NULL CHECK (cancelled >= 0),
    opted_out bigint NOT NULL CHECK (opted_out >= 0),
    PRIMARY KEY (entry_id, school_id),
    -- Statement 62, at every moment.
    CONSTRAINT counts_add_up CHECK (
        total = held + pending + sent + error + expired + duplicate + withheld + cancelled + opted_out)
);
CREATE TABLE early_releases (message_id uuid PRIMARY KEY);
CREATE TABLE threats (
    message_id uuid PRIMARY KEY REFERENCES messages,
    withheld_at timestamptz NOT NULL,
    verdict bytea NOT NULL,
    recipient_names text[] NOT NULL,
    is_imported boolean NOT NULL
);
CREATE TABLE flags (
    message_id uuid NOT NULL REFERENCES messages,
    origin text NOT NULL CHECK (origin IN ('teacher', 'admin', 'system')),
    set_at timestamptz,
    PRIMARY KEY (message_id, origin)
);
CREATE TABLE acknowledgements (
    message_id uuid PRIMARY KEY REFERENCES threats,
    person_id text NOT NULL CHECK (person_id <> ''),
    name text NOT NULL,
    acknowledged_at timestamptz NOT NULL
);
CREATE TABLE audit_records (
    record_id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    action text NOT NULL CHECK (action <> ''),
    message_id uuid,
    detail text NOT NULL
);
CREATE INDEX audit_by_time ON audit_records (at DESC, record_id DESC);
CREATE INDEX audit_by_message ON audit_records (message_id, at DESC) WHERE message_id IS NOT NULL;
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
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
