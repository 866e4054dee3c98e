"""Create the directory's tables."""

from alembic import op

revision = "0001"
down_revision = None

UPGRADE = """
CREATE TABLE schools (
    school_id uuid PRIMARY KEY,
    sourced_id text NOT NULL UNIQUE CHECK (length(sourced_id) BETWEEN 1 AND 255),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    is_excluded boolean NOT NULL,
    grades text[] NOT NULL,
    time_zone text NOT NULL,
    is_active boolean NOT NULL,
    version bigint NOT NULL CHECK (version > 0)
);
CREATE TABLE profiles (
    profile_id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    role text NOT NULL CHECK (role IN ('admin', 'teacher', 'student', 'parent')),
    permissions text[] NOT NULL,
    is_district_wide boolean NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    UNIQUE (role, name),
    -- Statement 3: a teacher profile has one report switch only; statement 16: students and parents have none.
    CONSTRAINT permissions_fit_role CHECK (
        role = 'admin'
        OR (role = 'teacher' AND permissions <@ ARRAY[
            'communication_reports', 'send_messages', 'send_to_staff', 'send_emergency', 'send_as_district'])
        OR permissions <@ ARRAY['send_to_staff']
    )
);
CREATE TABLE people (
    person_id uuid PRIMARY KEY,
    sourced_id text NOT NULL UNIQUE CHECK (length(sourced_id) BETWEEN 1 AND 255),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role text NOT NULL CHECK (role IN ('admin', 'teacher', 'student', 'parent')),
    number text NOT NULL,
    grade text NOT NULL,
    language text NOT NULL,
    profile_id uuid NOT NULL REFERENCES profiles,
    has_account boolean NOT NULL,
    is_active boolean NOT NULL,
    title text NOT NULL,
    version bigint NOT NULL CHECK (version > 0)
);
CREATE INDEX people_by_name ON people (lower(name) text_pattern_ops);
CREATE INDEX people_by_profile ON people (profile_id);
CREATE TABLE memberships (
    person_id uuid NOT NULL REFERENCES people ON DELETE CASCADE,
    school_id uuid NOT NULL REFERENCES schools,
    position integer NOT NULL CHECK (position >= 0),
    PRIMARY KEY (person_id, school_id)
);
CREATE INDEX memberships_by_school ON memberships (school_id);
CREATE TABLE contacts (
    person_id uuid NOT NULL REFERENCES people ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('email', 'mobile', 'landline', 'device')),
    priority integer NOT NULL CHECK (priority > 0),
    value text NOT NULL CHECK (length(value) BETWEEN 1 AND 500),
    problem text NOT NULL,
    PRIMARY KEY (person_id, kind, priority)
);
CREATE TABLE relations (
    guardian_id uuid NOT NULL REFERENCES people ON DELETE CASCADE,
    student_id uuid NOT NULL REFERENCES people ON DELETE CASCADE,
    kind text NOT NULL,
    priority integer NOT NULL CHECK (priority > 0),
    PRIMARY KEY (student_id, guardian_id)
);
CREATE INDEX relations_by_guardian ON relations (guardian_id);
CREATE TABLE classes (
    class_id uuid PRIMARY KEY,
    sourced_id text NOT NULL UNIQUE,
    title text NOT NULL,
    school_id uuid NOT NULL REFERENCES schools,
    is_active boolean NOT NULL
);
CREATE TABLE enrollments (
    class_id uuid NOT NULL REFERENCES classes ON DELETE CASCADE,
    person_id uuid NOT NULL REFERENCES people ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('student', 'teacher')),
    PRIMARY KEY (class_id, person_id)
);
CREATE INDEX enrollments_by_person ON enrollments (person_id);
CREATE TABLE modules (
    name text PRIMARY KEY CHECK (name IN ('call_out', 'moderation_api')),
    is_purchased boolean NOT NULL,
    is_enabled boolean NOT NULL
);
-- A new installation starts with these; a district edits them, adds its own, or leaves them unused.
INSERT INTO profiles (profile_id, name, role, permissions, is_district_wide, version) VALUES
    (gen_random_uuid(), 'District administrator', 'admin', ARRAY[
        'communication_reports', 'flag_messages', 'manage_directory', 'manage_policy', 'manage_profiles',
        'send_as_district', 'send_emergency', 'send_messages', 'threat_alerts', 'view_all_users',
        'view_audit'], true, 1),
    (gen_random_uuid(), 'District officer', 'admin', ARRAY[
        'communication_reports', 'send_as_district', 'send_emergency', 'send_messages', 'view_all_users'], true, 1),
    (gen_random_uuid(), 'Principal', 'admin', ARRAY[
        'communication_reports', 'flag_messages', 'send_emergency', 'send_messages', 'threat_alerts',
        'view_all_users'], false, 1),
    (gen_random_uuid(), 'Counsellor', 'admin', ARRAY['threat_alerts'], false, 1),
    (gen_random_uuid(), 'Secretary', 'admin', ARRAY[
        'communication_reports', 'send_messages', 'view_all_users'], false, 1),
    (gen_random_uuid(), 'Teacher', 'teacher', ARRAY['communication_reports', 'send_messages'], false, 1),
    (gen_random_uuid(), 'Student', 'student', ARRAY['send_to_staff'], false, 1),
    (gen_random_uuid(), 'Parent', 'parent', ARRAY['send_to_staff'], false, 1);
INSERT INTO modules VALUES ('call_out', false, false), ('moderation_api', false, false);
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    traceparent text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(UPGRADE)
