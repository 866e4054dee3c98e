"""Ask again for a translated message's body when a resend says it, and know which resends were told it."""

from alembic import op

revision = "0037"
down_revision = "0036"

_CHANGES = """
ALTER TABLE translations ADD COLUMN again_for uuid, ADD CONSTRAINT translations_again_in_time CHECK (
  again_for IS NULL OR stage = 'translated' AND deadline_at IS NOT NULL AND next_try_at IS NOT NULL);
ALTER TABLE translated_texts ADD COLUMN since uuid;
DROP INDEX translations_wanted;
CREATE INDEX translations_due ON translations (next_try_at) WHERE stage = 'wanted' OR again_for IS NOT NULL;
"""


def upgrade() -> None:
    """Name the resend that waits for the body, and with which one a text came that was not there at first."""
    op.execute(_CHANGES)
