"""The composer's editor of times: its fields make a rule, and the rule its fields and words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from protos.queue.v1 import schedules_pb2 as pb
from services.gateway import choosing, recurring, scheduling
from services.gateway.recurring import DAYS, When
from services.kit.errors import InvalidArgument

EDITED = st.builds(
    When,
    mode=st.sampled_from(["later", "repeat"]),
    start_date=st.dates().map(str),
    send_time=st.just("08:30"),
    every=st.sampled_from(sorted(recurring.REPETITIONS)),
    days=st.sets(st.sampled_from(sorted(DAYS)), min_size=1).map(lambda days: [day for day in DAYS if day in days]),
)


@given(EDITED)
def test_what_the_editor_makes_it_can_show_again(when: When) -> None:
    recurring.check(when)
    timing = recurring.timing_of(when)
    shown = recurring.when_of(pb.Schedule(timing=timing))
    assert shown.every != "kept"
    assert recurring.timing_of(shown) == timing
    assert not recurring.in_words(timing.rule).startswith("By rule")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("", "None"),
        ("FREQ=DAILY", "Every day"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "Monday to Friday"),
        ("FREQ=WEEKLY;BYDAY=TU,TH", "Every Tuesday and Thursday"),
        ("FREQ=MONTHLY;BYMONTHDAY=14", "Every month on day 14"),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", "Every month on day 31 or the last"),
        ("FREQ=MONTHLY;BYDAY=2SU", "By rule FREQ=MONTHLY;BYDAY=2SU"),
    ],
)
def test_a_rule_reads_in_words(rule: str, words: str) -> None:
    assert recurring.in_words(rule) == words


def test_a_rule_of_another_system_is_kept_as_it_is() -> None:
    timing = pb.Timing(start_date="2026-11-14", send_time="08:00", rule="FREQ=MONTHLY;BYDAY=2SU")
    shown = recurring.when_of(pb.Schedule(timing=timing, schedule_id="one", version=3))
    assert (shown.every, shown.version) == ("kept", 3)
    assert recurring.timing_of(shown) == timing


def test_missing_fields_are_named() -> None:
    with pytest.raises(InvalidArgument) as refused:
        recurring.check(recurring.read_when(MultiDict({"when": "repeat", "every": "weekly"})))
    pointers = [each.pointer for each in refused.value.violations]
    assert pointers == ["/timing/start_date", "/timing/send_time", "/timing/rule"]
    assert not recurring.read_when(MultiDict({"when": "elsewhen"})).is_later


@pytest.mark.parametrize(
    ("named", "answers", "may"), [(choosing.MOST, "", True), (choosing.MOST + 1, "", False), (1, "message", False)]
)
def test_a_schedule_that_the_composer_would_cut_is_not_edited(named: int, answers: str, *, may: bool) -> None:
    kept = pb.Schedule(state=pb.SCHEDULE_STATE_ACTIVE, is_own=True, header=queue.MessageHeader(in_reply_to=answers))
    kept.audience.CopyFrom(directory.Audience(student_ids=["student"] * named))
    assert scheduling.may_edit(kept) is may
