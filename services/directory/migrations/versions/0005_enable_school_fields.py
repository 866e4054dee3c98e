"""Keep which fields schools have: the system field of section R is off, and nobody's, until a district enables it."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the field. Where a school was excluded already it goes on as it was, for those who could do that."""
    op.execute(
        """
CREATE TABLE school_fields (
    name text PRIMARY KEY CHECK (name IN ('exclude_from_communication')),
    is_enabled boolean NOT NULL DEFAULT false,
    is_on_school_info boolean NOT NULL DEFAULT false,
    viewers uuid[] NOT NULL DEFAULT '{}',
    editors uuid[] NOT NULL DEFAULT '{}' CHECK (editors <@ viewers),
    version bigint NOT NULL DEFAULT 1
);
INSERT INTO school_fields (name) VALUES ('exclude_from_communication');
UPDATE school_fields SET is_enabled = true, is_on_school_info = true, viewers = may.ids, editors = may.ids
FROM (SELECT coalesce(array_agg(profile_id), '{}') AS ids FROM profiles WHERE 'manage_directory' = ANY(permissions)) may
WHERE EXISTS (SELECT 1 FROM schools WHERE is_excluded);
"""
    )
