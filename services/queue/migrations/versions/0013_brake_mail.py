"""Keep when e-mail was held back, and who let it go; find bounces without reading every outcome of a day."""

from alembic import op

revision = "0013"
down_revision = "0012"

_TABLE = (
    "CREATE TABLE brakes (brake_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, answered bigint NOT NULL,"
    " bounced bigint NOT NULL, complained bigint NOT NULL, set_at timestamptz NOT NULL, released_at timestamptz,"
    " released_by_id text NOT NULL DEFAULT '', released_by_name text NOT NULL DEFAULT '',"
    " release_reason text NOT NULL DEFAULT '',"
    " CONSTRAINT brakes_released_by_somebody CHECK ((released_at IS NULL) = (released_by_id = '')),"
    " CONSTRAINT brakes_released_for_a_reason CHECK ((released_at IS NULL) = (release_reason = '')))"
)
_ONE = "CREATE UNIQUE INDEX brakes_one_at_a_time ON brakes ((true)) WHERE released_at IS NULL"
_BOUNCES = (
    "CREATE INDEX outcomes_bounced ON outcomes (created_at)"
    " WHERE state = 'error' AND provider = 'ses' AND error_code ILIKE 'bounce/permanent%'"
)
_CHANGES = "CREATE INDEX suppression_changes_by_time ON suppression_changes (changed_at)"


def upgrade() -> None:
    """Create the table and the indices."""
    for each in (_TABLE, _ONE, _BOUNCES, _CHANGES):
        op.execute(each)
