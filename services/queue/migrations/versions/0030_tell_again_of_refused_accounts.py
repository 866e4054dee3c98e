"""Tell again of a provider that refuses our account anew, and of an emergency that waits for it."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Note when it refused us last, and when somebody was told that an emergency waits."""
    op.execute(
        "ALTER TABLE refused_accounts ADD COLUMN refused_at timestamptz, ADD COLUMN emergency_told_at timestamptz"
    )


def downgrade() -> None:
    """Forget both."""
    op.execute("ALTER TABLE refused_accounts DROP COLUMN refused_at, DROP COLUMN emergency_told_at")
