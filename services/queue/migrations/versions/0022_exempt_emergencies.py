"""Keep whether emergencies ask nobody's consent, and who said so."""

from alembic import op

revision = "0022"
down_revision = "0021"

_STATEMENTS = (
    "CREATE TABLE emergency_exemptions (change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " is_on boolean NOT NULL, reason text NOT NULL CHECK (reason <> ''),"
    " person_id text NOT NULL CHECK (person_id <> ''),"
    " person_name text NOT NULL, changed_at timestamptz NOT NULL)",
    "CREATE TRIGGER emergency_exemptions_are_append_only BEFORE UPDATE OR DELETE ON emergency_exemptions"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_consent()",
)


def upgrade() -> None:
    """Create the table."""
    for each in _STATEMENTS:
        op.execute(each)
