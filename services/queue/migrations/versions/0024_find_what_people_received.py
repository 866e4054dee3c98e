"""Find what somebody received, and what others received about a student, in every month.

An index of hashes whose new entries wait in a list: a submission appends to it, `tick` merges it. Two B-trees would
have made the COPY of a message's recipients four times as long, since people come in no order.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "CREATE INDEX recipients_by_family ON recipients"
    " USING gin ((ARRAY[hashtext(person_id), hashtext(regarding_student_id)]))"
    " WITH (gin_pending_list_limit = 65536)",
    """CREATE FUNCTION queue_merge_received() RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(sum(gin_clean_pending_list(inhrelid)), 0)::bigint FROM pg_inherits
  WHERE inhparent = 'public.recipients_by_family'::regclass
$$""",
)


def upgrade() -> None:
    """Create the index on the months that are there; later months get theirs with their table."""
    for each in _STATEMENTS:
        op.execute(each)


def downgrade() -> None:
    """Drop both."""
    op.execute("DROP FUNCTION queue_merge_received()")
    op.execute("DROP INDEX recipients_by_family")
