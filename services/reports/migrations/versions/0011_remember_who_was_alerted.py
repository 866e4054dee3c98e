"""Remember who was alerted of which threat: they review that one, also when it is not of their schools."""

from alembic import op

revision = "0011"
down_revision = "0010"

# An alert may come before its threat, so there is no reference.
UPGRADE = """
CREATE TABLE alerted (
    person_id text NOT NULL CHECK (person_id <> ''),
    message_id uuid NOT NULL,
    PRIMARY KEY (person_id, message_id)
)
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(UPGRADE)
