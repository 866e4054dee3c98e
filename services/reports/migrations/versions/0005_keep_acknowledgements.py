"""Keep an acknowledgement as it was made: the database refuses to change or remove one (statement 209)."""

from alembic import op

revision = "0005"
down_revision = "0004"

UPGRADE = """
CREATE FUNCTION refuse_change_of_acknowledgement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an acknowledgement cannot be undone' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER acknowledgements_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON acknowledgements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_acknowledgement();
"""


def upgrade() -> None:
    """Add the trigger."""
    op.execute(UPGRADE)
