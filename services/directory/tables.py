"""The directory's tables, as the migrations leave them; the CHECKs stand in the migrations."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from services.kit.outbox import outbox_table

metadata = sa.MetaData()
outbox = outbox_table(metadata)

_text = sa.Text
_id = sa.Uuid(as_uuid=False)

schools = sa.Table(
    "schools",
    metadata,
    sa.Column("school_id", _id, primary_key=True),
    sa.Column("sourced_id", _text, nullable=False, unique=True),
    sa.Column("title", _text, nullable=False),
    sa.Column("is_excluded", sa.Boolean, nullable=False),
    sa.Column("grades", ARRAY(_text), nullable=False),
    sa.Column("time_zone", _text, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("quiet_from", sa.Time, nullable=True),
    sa.Column("quiet_until", sa.Time, nullable=True),
)
school_fields = sa.Table(
    "school_fields",
    metadata,
    sa.Column("name", _text, primary_key=True),
    sa.Column("is_enabled", sa.Boolean, nullable=False),
    sa.Column("is_on_school_info", sa.Boolean, nullable=False),
    sa.Column("viewers", ARRAY(_id), nullable=False),
    sa.Column("editors", ARRAY(_id), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)
profiles = sa.Table(
    "profiles",
    metadata,
    sa.Column("profile_id", _id, primary_key=True),
    sa.Column("name", _text, nullable=False),
    sa.Column("role", _text, nullable=False),
    sa.Column("permissions", ARRAY(_text), nullable=False),
    sa.Column("is_district_wide", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("role", "name"),
)
people = sa.Table(
    "people",
    metadata,
    sa.Column("person_id", _id, primary_key=True),
    sa.Column("sourced_id", _text, nullable=False, unique=True),
    sa.Column("name", _text, nullable=False),
    sa.Column("role", _text, nullable=False),
    sa.Column("number", _text, nullable=False),
    sa.Column("grade", _text, nullable=False),
    sa.Column("language", _text, nullable=False),
    sa.Column("profile_id", _id, sa.ForeignKey("profiles.profile_id"), nullable=False, index=True),
    sa.Column("has_account", sa.Boolean, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("title", _text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)
memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column("person_id", _id, sa.ForeignKey("people.person_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("school_id", _id, sa.ForeignKey("schools.school_id"), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
)
contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("person_id", _id, sa.ForeignKey("people.person_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", _text, primary_key=True),
    sa.Column("priority", sa.Integer, primary_key=True),
    sa.Column("value", _text, nullable=False),
    sa.Column("problem", _text, nullable=False),
)
relations = sa.Table(
    "relations",
    metadata,
    sa.Column("guardian_id", _id, sa.ForeignKey("people.person_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("student_id", _id, sa.ForeignKey("people.person_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", _text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
)
classes = sa.Table(
    "classes",
    metadata,
    sa.Column("class_id", _id, primary_key=True),
    sa.Column("sourced_id", _text, nullable=False, unique=True),
    sa.Column("title", _text, nullable=False),
    sa.Column("school_id", _id, sa.ForeignKey("schools.school_id"), nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
)
enrollments = sa.Table(
    "enrollments",
    metadata,
    sa.Column("class_id", _id, sa.ForeignKey("classes.class_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("person_id", _id, sa.ForeignKey("people.person_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("role", _text, nullable=False),
)
modules = sa.Table(
    "modules",
    metadata,
    sa.Column("name", _text, primary_key=True),
    sa.Column("is_purchased", sa.Boolean, nullable=False),
    sa.Column("is_enabled", sa.Boolean, nullable=False),
)
