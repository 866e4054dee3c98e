"""Find what somebody received, and what others received about a student, in every month.

An index of Bloom filters, one for sixteen pages of rows, which `tick` makes once the rows are there: a submission
writes nothing to it. Two B-trees would have made the COPY of a message's recipients four times as long, since people
come in no order, and an inverted index of hashes half as long again.
"""

from alembic import op

revision = "0024"
down_revision = "0023"

_STATEMENTS = (
    "CREATE INDEX recipients_by_family ON recipients USING brin ("
    " person_id text_bloom_ops (n_distinct_per_range = 1200),"
    " regarding_student_id text_bloom_ops (n_distinct_per_range = 1200)) WITH (pages_per_range = 16)",
    """CREATE FUNCTION queue_sum_up_received() RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(sum(brin_summarize_new_values(inhrelid)), 0)::bigint FROM pg_inherits
  WHERE inhparent = 'public.recipients_by_family'::regclass
$$""",
)


def upgrade() -> None:
    """Create the index on the months that are there; later months get theirs with their table."""
    for each in _STATEMENTS:
        op.execute(each)
