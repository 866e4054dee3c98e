"""Let profiles manage attendance rules; those of a new installation that speak for a school or the district do."""

from alembic import op

revision = "0003"
down_revision = "0002"

_FIT = """
ALTER TABLE profiles DROP CONSTRAINT permissions_fit_role;
ALTER TABLE profiles ADD CONSTRAINT permissions_fit_role CHECK (
    role = 'admin'
    OR (role = 'teacher' AND permissions <@ ARRAY[
        'communication_reports', 'send_messages', 'send_to_staff', 'send_emergency', 'send_as_district'{more}])
    OR permissions <@ ARRAY['send_to_staff']
);
"""
_GIVE = """
UPDATE profiles SET permissions = permissions || ARRAY['manage_attendance'], version = version + 1
 WHERE role = 'admin' AND name IN ('District administrator', 'Principal', 'Secretary')
   AND NOT permissions @> ARRAY['manage_attendance'];
"""


def upgrade() -> None:
    """Allow the permission and give it to three profiles."""
    op.execute(_FIT.format(more=", 'manage_attendance'"))
    op.execute(_GIVE)
