"""Keep no pseudonym of the author with a verdict: reports knows who wrote what was noted.

Replicas of the release before still write the column while this one is rolled out, so it stays, with its default and
its index; nothing here reads or writes it. A later release drops it IF EXISTS: main, though no release, once dropped it
here.
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Say what becomes of the column."""
    op.execute("COMMENT ON COLUMN verdicts.author_key IS 'Unused: to be dropped once no replica writes it.'")
