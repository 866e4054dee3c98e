"""Create moderation's tables."""

from alembic import op

revision = "0001"
down_revision = None

UPGRADE = """
CREATE TABLE policies (
    version bigint PRIMARY KEY CHECK (version > 0),
    body jsonb NOT NULL,
    author_id text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE verdicts (
    verdict_id uuid PRIMARY KEY,
    -- One verdict for one request: a redelivered request finds it and judges nothing (statement 172).
    screening_id uuid NOT NULL UNIQUE,
    message_id uuid NOT NULL,
    decision text NOT NULL CHECK (decision IN ('clean', 'watch', 'hold')),
    scores jsonb NOT NULL,
    holds text[] NOT NULL,
    watches text[] NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    policy_version bigint NOT NULL REFERENCES policies,
    explanation text NOT NULL,
    tier integer NOT NULL CHECK (tier BETWEEN 0 AND 3),
    reached_at timestamptz NOT NULL
);
CREATE INDEX verdicts_by_message ON verdicts (message_id, reached_at DESC);
-- Requests that wait for a provider which is out.
CREATE TABLE waiting (
    screening_id uuid PRIMARY KEY,
    payload bytea NOT NULL,
    requested_at timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL
);
CREATE INDEX waiting_by_next_try ON waiting (next_try_at);
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    traceparent text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(UPGRADE)
