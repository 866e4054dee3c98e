"""Remove attendance rules; what they told and who changed them stays."""

from alembic import op

revision = "0025"
down_revision = "0024"

_WHAT = "what IN ('created', 'edited', 'switched on', 'switched off'"


def upgrade() -> None:
    """Add when a rule was removed; a removed one is off."""
    op.execute(
        "ALTER TABLE attendance_rules ADD COLUMN removed_at timestamptz,"
        " ADD CONSTRAINT attendance_rules_removed_are_off CHECK (removed_at IS NULL OR NOT is_on)"
    )
    _know(f"{_WHAT}, 'removed')")


def _know(condition: str) -> None:
    op.execute("ALTER TABLE attendance_rule_changes DROP CONSTRAINT attendance_rule_changes_known")
    op.execute(f"ALTER TABLE attendance_rule_changes ADD CONSTRAINT attendance_rule_changes_known CHECK ({condition})")
