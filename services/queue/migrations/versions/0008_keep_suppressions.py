"""Keep what is not written to any more, and who changed that."""

from alembic import op

revision = "0008"
down_revision = "0007"

_REASONS = "reason IN ('hard_bounce', 'complaint', 'invalid_number')"
_TABLES = (
    "CREATE TABLE suppressions (channel text NOT NULL, destination text NOT NULL, reason text NOT NULL,"
    " code text NOT NULL, suppressed_at timestamptz NOT NULL, PRIMARY KEY (channel, destination),"
    " CONSTRAINT suppressions_channel_known CHECK (channel IN ('email', 'sms')),"
    f" CONSTRAINT suppressions_reason_known CHECK ({_REASONS}))",
    "CREATE TABLE suppression_changes (change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " channel text NOT NULL, destination text NOT NULL, action text NOT NULL, reason text NOT NULL,"
    " code text NOT NULL, person_id text NOT NULL, person_name text NOT NULL, changed_at timestamptz NOT NULL,"
    " CONSTRAINT suppression_changes_action_known CHECK (action IN ('suppressed', 'lifted')),"
    " CONSTRAINT suppression_changes_lifted_by_somebody CHECK ((action = 'lifted') = (person_id <> '')))",
    "CREATE INDEX suppression_changes_of_destination ON suppression_changes (destination)",
)


def upgrade() -> None:
    """Create both."""
    for each in _TABLES:
        op.execute(each)
