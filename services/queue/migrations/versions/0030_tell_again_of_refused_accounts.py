"""Tell again of a provider that refuses our account anew, and of an emergency that waits for it."""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Note when it refused us last, and when somebody was told that an emergency waits."""
    op.execute(
        "ALTER TABLE refused_accounts ADD COLUMN refused_at timestamptz, ADD COLUMN emergency_told_at timestamptz"
    )
