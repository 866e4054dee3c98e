"""Add the module that lets messages be translated; it is off until a district switches it on."""

from alembic import op

revision = "0004"
down_revision = "0003"

_NAMES = """
ALTER TABLE modules DROP CONSTRAINT modules_name_check;
ALTER TABLE modules ADD CONSTRAINT modules_name_check CHECK (name IN ('call_out', 'moderation_api'{more}));
"""


def upgrade() -> None:
    """Add the module. It is nobody's purchase, so that its switch alone decides."""
    op.execute(_NAMES.format(more=", 'translation'"))
    op.execute("INSERT INTO modules (name, is_purchased, is_enabled) VALUES ('translation', true, false)")
