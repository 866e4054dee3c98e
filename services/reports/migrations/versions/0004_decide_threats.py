"""Let reviewers decide threats, and note when a released one was let go and which labels held it."""

import sqlalchemy as sa
from alembic import op

from protos.types.v1 import types_pb2 as types

revision = "0004"
down_revision = "0003"

UPGRADE = """
CREATE TABLE decisions (
    message_id uuid NOT NULL REFERENCES threats,
    number integer NOT NULL CHECK (number > 0),
    outcome text NOT NULL CHECK (outcome IN ('kept', 'released')),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    person_id text NOT NULL CHECK (person_id <> ''),
    name text NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (message_id, number)
);
CREATE FUNCTION refuse_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'decisions are append-only' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT 1 FROM decisions WHERE message_id = NEW.message_id AND outcome = 'released') THEN
        RAISE EXCEPTION 'a release is the last decision' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER decisions_are_append_only BEFORE UPDATE OR DELETE ON decisions
    FOR EACH ROW EXECUTE FUNCTION refuse_decision();
CREATE TRIGGER decisions_end_with_a_release BEFORE INSERT ON decisions
    FOR EACH ROW EXECUTE FUNCTION refuse_decision();
ALTER TABLE threats ADD COLUMN released_at timestamptz, ADD COLUMN categories text[] NOT NULL DEFAULT '{}';
CREATE INDEX threats_by_time ON threats (withheld_at);
"""


def upgrade() -> None:
    """Create the table; read the labels of earlier threats from their verdicts."""
    op.execute(UPGRADE)
    connection = op.get_bind()
    for message_id, raw in connection.execute(sa.text("SELECT message_id, verdict FROM threats")).all():
        held = [
            types.Category.Name(each.category) for each in types.Verdict.FromString(bytes(raw)).scores if each.holds
        ]
        names = [name.removeprefix("CATEGORY_").lower() for name in held]
        change = sa.text("UPDATE threats SET categories = :names WHERE message_id = :message_id")
        connection.execute(change, {"names": names, "message_id": message_id})
