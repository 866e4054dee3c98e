"""Keep from where and in whose name messages go, by school, type and way; with what each entry went out."""

from alembic import op

revision = "0019"
down_revision = "0018"

_TYPES = "'', 'emergency', 'attendance', 'announcement', 'survey', 'personal', 'alert'"
_COLUMNS = (
    "school_id text NOT NULL, message_type text NOT NULL, way text NOT NULL, address text NOT NULL, name text NOT NULL"
)
_STATEMENTS = (
    f"CREATE TABLE sender_identities ({_COLUMNS}, PRIMARY KEY (school_id, message_type, way),"
    f" CONSTRAINT sender_identities_type_known CHECK (message_type IN ({_TYPES})),"
    " CONSTRAINT sender_identities_address_fits CHECK (CASE way"
    " WHEN 'email' THEN address = '' OR address ~ '^[^@[:space:]]+@[^@[:space:]]+$'"
    " WHEN 'sms' THEN address ~ '^([+][1-9][0-9]{6,14}|MG[0-9a-f]{32})$'"
    " WHEN 'call' THEN address ~ '^[+][1-9][0-9]{6,14}$' ELSE false END),"
    " CONSTRAINT sender_identities_say_something CHECK (address <> '' OR name <> ''),"
    " CONSTRAINT sender_identities_named_by_mail CHECK (name = '' OR way = 'email'))",
    f"CREATE TABLE sender_changes (change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {_COLUMNS},"
    " action text NOT NULL CHECK (action IN ('set', 'removed')), person_id text NOT NULL CHECK (person_id <> ''),"
    " person_name text NOT NULL, changed_at timestamptz NOT NULL)",
    "CREATE INDEX sender_changes_by_time ON sender_changes (changed_at)",
    "CREATE FUNCTION refuse_change_of_senders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " RAISE EXCEPTION 'changes of senders are append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER sender_changes_are_append_only BEFORE UPDATE OR DELETE ON sender_changes"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_senders()",
    "ALTER TABLE entries ADD COLUMN from_address text NOT NULL DEFAULT '',"
    " ADD COLUMN from_name text NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    """Create the tables and the columns."""
    for each in _STATEMENTS:
        op.execute(each)
