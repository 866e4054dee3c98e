"""Know what each entry is about, and keep consent by that; who changed it on somebody's behalf, and why."""

from alembic import op

revision = "0017"
down_revision = "0016"

_TYPES = "'emergency', 'attendance', 'announcement', 'survey', 'personal', 'alert'"
_STATEMENTS = (
    "ALTER TABLE entries ADD COLUMN message_type text NOT NULL DEFAULT 'announcement'",
    "UPDATE entries e SET message_type = CASE WHEN m.kind = 3 THEN 'alert' WHEN m.is_emergency THEN 'emergency'"
    " WHEN m.kind = 2 THEN 'attendance' WHEN e.survey_id IS NOT NULL THEN 'survey' ELSE 'personal' END"
    " FROM messages m WHERE m.message_id = e.message_id AND (m.kind IN (2, 3) OR m.is_emergency"
    " OR e.survey_id IS NOT NULL OR m.sender_role IN (3, 4) OR m.in_reply_to <> '')",
    f"ALTER TABLE entries ADD CONSTRAINT entries_type_known CHECK (message_type IN ({_TYPES}))",
    "ALTER TABLE consent ADD COLUMN stopped_types text[] NOT NULL DEFAULT '{}'",
    f"ALTER TABLE consent ADD CONSTRAINT consent_types_known CHECK (stopped_types <@ ARRAY[{_TYPES}])",
    "ALTER TABLE consent_changes ADD COLUMN message_type text NOT NULL DEFAULT '',"
    " ADD COLUMN person_id text NOT NULL DEFAULT '', ADD COLUMN person_name text NOT NULL DEFAULT '',"
    " ADD COLUMN reason text NOT NULL DEFAULT '',"
    " ADD CONSTRAINT consent_changes_by_staff_explained"
    " CHECK ((origin = 'staff') = (person_id <> '') AND (origin = 'staff') = (reason <> ''))",
    "CREATE INDEX consent_changes_of_destination ON consent_changes (destination)",
    "CREATE FUNCTION refuse_change_of_consent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " RAISE EXCEPTION 'the consent ledger is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER consent_ledger_is_append_only BEFORE UPDATE OR DELETE ON consent_changes"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_consent()",
)


def upgrade() -> None:
    """Add the columns, fill them, and keep the ledger from being changed."""
    for each in _STATEMENTS:
        op.execute(each)
