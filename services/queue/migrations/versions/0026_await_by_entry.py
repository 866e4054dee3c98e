"""Find deliveries that wait for a receipt, and bounces, by their entry: an index of them costs each delivery more.

Without them a receipt changes no indexed column, so that its row stays within its page if there is room: outcomes that
are written from now on leave some.
"""

from alembic import op

revision = "0026"
down_revision = "0025"

FILL = 50

_ENSURE_MONTH = """
CREATE OR REPLACE FUNCTION queue_ensure_month(moment timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  first timestamptz := date_trunc('month', moment, 'UTC');
  following timestamptz := date_trunc('month', date_trunc('month', moment, 'UTC') + interval '40 days', 'UTC');
  suffix text := to_char(date_trunc('month', moment, 'UTC') AT TIME ZONE 'UTC', 'YYYY_MM');
  parent text;
BEGIN
  IF to_regclass('public.outcomes_' || suffix) IS NOT NULL THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(7013402120);
  FOREACH parent IN ARRAY ARRAY['recipients', 'outcomes'] LOOP
    IF to_regclass('public.' || parent || '_' || suffix) IS NULL THEN
      EXECUTE format(
        'CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
        parent || '_' || suffix, parent, first, following
      );
{fill}    END IF;
  END LOOP;
END $$;
"""
_FILL_NEW = f"""      IF parent = 'outcomes' THEN
        EXECUTE format('ALTER TABLE public.%I SET (fillfactor = {FILL})', parent || '_' || suffix);
      END IF;
"""
_MONTHS = """
DO $$ DECLARE month regclass; BEGIN
  FOR month IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'outcomes'::regclass LOOP
    EXECUTE format('ALTER TABLE %s {change}', month);
  END LOOP;
END $$
"""


def upgrade() -> None:
    """Say when to look at each entry, and leave room in the pages."""
    op.execute("ALTER TABLE entry_progress ADD COLUMN ask_at timestamptz")
    op.execute(
        "UPDATE entry_progress SET ask_at = now()"
        " WHERE entry_id IN (SELECT entry_id FROM entry_counts WHERE pending > 0 OR held > 0)"
    )
    # The release before this one does not name it.
    op.execute("ALTER TABLE entry_progress ALTER COLUMN ask_at SET DEFAULT now()")
    op.execute("CREATE INDEX entry_progress_open ON entry_progress (ask_at) WHERE ask_at IS NOT NULL")
    op.execute("DROP INDEX outcomes_unconfirmed")
    op.execute("DROP INDEX outcomes_bounced")
    op.execute(_ENSURE_MONTH.format(fill=_FILL_NEW))
    op.execute(_MONTHS.format(change=f"SET (fillfactor = {FILL})"))
