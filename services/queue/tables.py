"""The queue's tables. Their CHECKs make bad states impossible; docs/delivery.md says why they are cut this way.

`recipients` and `outcomes` are written once, by COPY, and partitioned by the month of their message, so that retention
drops whole months; every query names the message's created_at and touches one partition. `batches` is the queue: small,
hot, one row for up to 1,000 recipients of one entry and school; a batch that is done is deleted.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.kit.outbox import consumed_events_table, outbox_table
from services.queue.domain import COUNTERS, Channel, Screening, Source, State
from services.queue.message_types import MessageType

metadata = sa.MetaData()


def _in(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _text(name: str, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


MESSAGE_TYPES = [each.value for each in MessageType]
CHANNELS = [each.value for each in Channel]
OUTCOME_STATES = [each.value for each in State if each not in {State.HELD, State.PENDING, State.CLAIMED}]
BATCH_STATES = [State.HELD.value, State.PENDING.value, State.CLAIMED.value, State.WITHHELD.value]

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("message_id", sa.Uuid(as_uuid=False), primary_key=True),
    _time("created_at"),
    _text("caller", None),
    _text("sender_id"),
    _text("sender_name"),
    sa.Column("sender_role", sa.SmallInteger, nullable=False),
    _text("sender_school_id"),
    _text("sender_grade"),
    _text("subject"),
    _text("body"),
    _text("source", None),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    *(_flag(name) for name in ("is_secure", "is_emergency", "once_per_family", "is_translated")),
    _time("send_at"),
    _time("expires_at", nullable=True),
    _text("audience_summary"),
    _text("language", "en"),
    _text("in_reply_to"),
    _text("alert_message_id"),
    _text("from_title"),
    _flag("is_from_excluded_school"),
    sa.Column("recipient_type", sa.SmallInteger, nullable=False),
    sa.Column("regarding", JSONB, nullable=False, server_default="[]"),
    sa.Column("regarding_count", sa.BigInteger, nullable=False, server_default="0"),
    _text("only_recipient_name"),
    _flag("is_imported"),
    _text("screening", None),
    sa.Column("verdict", sa.LargeBinary, nullable=True),
    *(_time(name, nullable=True) for name in ("decided_at", "cancelled_at", "review_released_at")),
    sa.CheckConstraint("review_released_at IS NULL OR screening = 'released'", name="messages_let_go_for_good"),
    sa.CheckConstraint(_in("source", [each.value for each in Source]), name="messages_source_known"),
    sa.CheckConstraint(_in("screening", [each.value for each in Screening]), name="messages_screening_known"),
    sa.CheckConstraint("lane BETWEEN 1 AND 4", name="messages_lane_known"),
    sa.CheckConstraint(
        "screening NOT IN ('released', 'withheld') OR verdict IS NOT NULL", name="messages_decided_by_verdict"
    ),
    sa.CheckConstraint("length(subject) <= 200 AND length(body) <= 20000", name="messages_text_bounded"),
    sa.Index("messages_sent_box", "sender_id", "created_at"),
)

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("entry_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("message_id", sa.Uuid(as_uuid=False), sa.ForeignKey("messages.message_id"), nullable=False),
    _time("created_at"),
    sa.Column("position", sa.SmallInteger, nullable=False),
    _text("channel", None),
    _text("text"),
    _time("expires_at"),
    sa.Column("resend_of", sa.Uuid(as_uuid=False), nullable=True),
    sa.Column("recording_id", sa.Uuid(as_uuid=False), sa.ForeignKey("recordings.recording_id"), nullable=True),
    sa.Column("survey_id", sa.Uuid(as_uuid=False), nullable=True),
    _text("message_type", MessageType.ANNOUNCEMENT.value),
    *(_text(name) for name in ("from_address", "from_name")),
    sa.CheckConstraint(_in("channel", CHANNELS), name="entries_channel_known"),
    sa.CheckConstraint(_in("message_type", MESSAGE_TYPES), name="entries_type_known"),
    sa.CheckConstraint("recording_id IS NULL OR channel = 'recorded'", name="entries_recording_is_played"),
    sa.Index("entries_of_message", "message_id"),
    sa.Index("entries_expiring", "expires_at"),
    sa.Index("entries_of_recording", "recording_id", postgresql_where=sa.text("recording_id IS NOT NULL")),
)

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("recording_id", sa.Uuid(as_uuid=False), primary_key=True),
    _text("owner_id", None),
    _text("content_type", None),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("duration_seconds", sa.REAL, nullable=False),
    _time("created_at"),
    *(_time(name, nullable=True) for name in ("stored_at", "used_at", "removing_at", "removed_at")),
    sa.CheckConstraint(_in("content_type", ["audio/wav", "audio/mpeg"]), name="recordings_type_known"),
    sa.CheckConstraint("size_bytes BETWEEN 1 AND 10485760", name="recordings_size_bounded"),
    sa.CheckConstraint("duration_seconds > 0 AND duration_seconds <= 300", name="recordings_duration_bounded"),
    sa.CheckConstraint("removed_at IS NULL OR removing_at IS NOT NULL", name="recordings_removed_in_order"),
    sa.Index("recordings_kept", "created_at", postgresql_where=sa.text("removed_at IS NULL")),
)

recipients = sa.Table(
    "recipients",
    metadata,
    sa.Column("entry_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), primary_key=True),
    _text("person_id"),
    _text("name"),
    sa.Column("role", sa.SmallInteger, nullable=False),
    _text("school_id"),
    _text("staff_id"),
    _text("regarding_student_id"),
    _text("regarding_student_name"),
    _text("student_number"),
    _text("language"),
    _text("destination"),
    _text("problem"),
    _flag("has_account"),
    sa.Column("type", sa.SmallInteger, nullable=False),
    sa.CheckConstraint("number > 0", name="recipients_numbered_from_one"),
    sa.Index(
        "recipients_by_family",
        "person_id",
        "regarding_student_id",
        postgresql_using="brin",
        postgresql_ops=dict.fromkeys(
            ("person_id", "regarding_student_id"), "text_bloom_ops (n_distinct_per_range = 1200)"
        ),
        postgresql_with={"pages_per_range": 16},
    ),
    postgresql_partition_by="RANGE (created_at)",
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("batch_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("entry_id", sa.Uuid(as_uuid=False), sa.ForeignKey("entries.entry_id"), nullable=False),
    sa.Column("message_id", sa.Uuid(as_uuid=False), nullable=False),
    _time("created_at"),
    _text("school_id"),
    _text("channel", None),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    _text("state", None),
    sa.Column("numbers", ARRAY(sa.Integer), nullable=False),
    sa.Column("attempt", sa.SmallInteger, nullable=False, server_default="1"),
    _time("due_at"),
    _time("expires_at"),
    sa.Column("claim_id", sa.Uuid(as_uuid=False), nullable=True),
    _time("claimed_at", nullable=True),
    _time("lease_until", nullable=True),
    _time("calling_at", nullable=True),
    sa.Column("begun", sa.Integer, nullable=False, server_default="0"),
    _text("translated_into"),
    _time("changed_at"),
    _time("waits_since", nullable=True),
    sa.CheckConstraint(_in("state", BATCH_STATES), name="batches_state_known"),
    sa.CheckConstraint(_in("channel", CHANNELS), name="batches_channel_known"),
    sa.CheckConstraint("lane BETWEEN 1 AND 4", name="batches_lane_known"),
    sa.CheckConstraint("cardinality(numbers) BETWEEN 1 AND 1000", name="batches_size_bounded"),
    sa.CheckConstraint(
        "channel NOT IN ('tts', 'recorded') OR cardinality(numbers) <= 100", name="batches_of_calls_small"
    ),
    sa.CheckConstraint("attempt >= 1", name="batches_attempt_counted"),
    sa.CheckConstraint(
        "begun BETWEEN 0 AND cardinality(numbers) AND (begun = 0) = (calling_at IS NULL)",
        name="batches_begun_in_order",
    ),
    sa.CheckConstraint(
        "(state = 'claimed') = (claim_id IS NOT NULL) AND (claim_id IS NULL) = (lease_until IS NULL)"
        " AND (claim_id IS NULL) = (claimed_at IS NULL) AND (calling_at IS NULL OR claim_id IS NOT NULL)",
        name="batches_claimed_with_lease",
    ),
    sa.Index("batches_due", "lane", "due_at", "batch_id", postgresql_where=sa.text("state = 'pending'")),
    sa.Index("batches_leased", "lease_until", postgresql_where=sa.text("state = 'claimed'")),
    sa.Index("batches_of_entry", "entry_id"),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("entry_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), primary_key=True),
    _text("school_id"),
    _text("state", None),
    sa.Column("attempt", sa.SmallInteger, nullable=False),
    _text("provider"),
    _text("provider_message_id"),
    _text("error_code"),
    _time("changed_at"),
    _time("asked_at", nullable=True),
    sa.CheckConstraint(_in("state", OUTCOME_STATES), name="outcomes_state_known"),
    sa.CheckConstraint("state <> 'error' OR error_code <> ''", name="outcomes_error_explained"),
    sa.Index(
        "outcomes_by_provider_id",
        "provider_message_id",
        postgresql_using="hash",
        postgresql_where=sa.text("provider_message_id <> ''"),
    ),
    postgresql_partition_by="RANGE (created_at)",
)

entry_counts = sa.Table(
    "entry_counts",
    metadata,
    sa.Column("entry_id", sa.Uuid(as_uuid=False), sa.ForeignKey("entries.entry_id"), primary_key=True),
    sa.Column("school_id", sa.Text, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in COUNTERS),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),
    sa.CheckConstraint(f"total = {' + '.join(COUNTERS)}", name="entry_counts_add_up"),
    sa.CheckConstraint(" AND ".join(f"{name} >= 0" for name in COUNTERS), name="entry_counts_not_negative"),
)

entry_progress = sa.Table(
    "entry_progress",
    metadata,
    sa.Column("entry_id", sa.Uuid(as_uuid=False), sa.ForeignKey("entries.entry_id"), primary_key=True),
    _flag("is_due"),
    _time("changed_at"),
    _time("told_at"),
    sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True, server_default=sa.func.now()),
    sa.Index("entry_progress_due", "told_at", postgresql_where=sa.text("is_due")),
    sa.Index("entry_progress_open", "ask_at", postgresql_where=sa.text("ask_at IS NOT NULL")),
)

receipts_unmatched = sa.Table(
    "receipts_unmatched",
    metadata,
    sa.Column("receipt_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("delivery_key"),
    _text("provider", None),
    _text("provider_message_id"),
    _text("status", None),
    _text("error_code"),
    _time("occurred_at"),
    _time("received_at"),
    sa.UniqueConstraint(
        "provider", "provider_message_id", "delivery_key", "status", "error_code", name="receipts_unmatched_once"
    ),
    sa.Index("receipts_unmatched_by_entry", sa.text('"left"(delivery_key, 36)')),
    sa.Index("receipts_unmatched_by_provider_id", "provider_message_id"),
)

inbox_items = sa.Table(
    "inbox_items",
    metadata,
    sa.Column("person_id", sa.Text, primary_key=True),
    sa.Column("message_id", sa.Uuid(as_uuid=False), sa.ForeignKey("messages.message_id"), primary_key=True),
    _time("visible_at"),
    _time("read_at", nullable=True),
    _text("regarding_student_name"),
    _text("translated_into"),
    sa.Index("inbox_items_newest", "person_id", "visible_at"),
    sa.Index("inbox_items_of_message", "message_id"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("header_hash", sa.LargeBinary, nullable=False),
    sa.Column("result_id", sa.Uuid(as_uuid=False), nullable=False),
    _time("created_at"),
    sa.CheckConstraint("length(key) BETWEEN 1 AND 200", name="idempotency_keys_length"),
)

outbox = outbox_table(metadata)
consumed_events = consumed_events_table(metadata)
