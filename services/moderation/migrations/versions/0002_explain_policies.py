"""Keep why a policy was changed, and with each verdict what a policy looks at."""

from alembic import op

revision = "0002"
down_revision = "0001"

UPGRADE = """
ALTER TABLE policies
    ADD COLUMN author_name text NOT NULL DEFAULT '',
    ADD COLUMN note text NOT NULL DEFAULT '';
ALTER TABLE verdicts
    ADD COLUMN school_id text NOT NULL DEFAULT '',
    ADD COLUMN grade text NOT NULL DEFAULT '',
    ADD COLUMN is_uncertain boolean NOT NULL DEFAULT false,
    ADD COLUMN phrases text[] NOT NULL DEFAULT '{}',
    ADD COLUMN is_rescreening boolean NOT NULL DEFAULT false;
-- The last days, for trying a policy on them.
CREATE INDEX verdicts_by_time ON verdicts (reached_at) WHERE NOT is_rescreening;
"""


def upgrade() -> None:
    """Add them."""
    op.execute(UPGRADE)
