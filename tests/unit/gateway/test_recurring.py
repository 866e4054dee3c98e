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
    weeks=st.integers(1, 52).map(str),
    place=st.sampled_from(["", *recurring.PLACES]),
    place_day=st.sampled_from(list(recurring.PLACE_DAYS)),
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
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "Every 2 weeks on Monday"),
        ("FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,WE,FR", "Every 3 weeks on Monday, Wednesday and Friday"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR", "Every 2 weeks on Monday to Friday"),
        ("FREQ=MONTHLY;BYDAY=2SU", "Every month on the second Sunday"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "Every month on the last Friday"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "Every month on the last weekday"),
        ("FREQ=MONTHLY;BYDAY=5SU", "By rule FREQ=MONTHLY;BYDAY=5SU"),
    ],
)
def test_a_rule_reads_in_words(rule: str, words: str) -> None:
    assert recurring.in_words(rule) == words


def test_a_rule_of_another_system_is_kept_as_it_is() -> None:
    timing = pb.Timing(start_date="2026-11-14", send_time="08:00", rule="FREQ=MONTHLY;BYDAY=5SU")
    shown = recurring.when_of(pb.Schedule(timing=timing, schedule_id="one", version=3))
    assert (shown.every, shown.version) == ("kept", 3)
    assert recurring.timing_of(shown) == timing


def pointers(**fields: str) -> list[str]:
    with pytest.raises(InvalidArgument) as refused:
        recurring.check(recurring.read_when(MultiDict({"when": "repeat", **fields})))
    return [each.pointer for each in refused.value.violations]


def test_missing_fields_are_named() -> None:
    assert pointers(every="weekly") == ["/timing/start_date", "/timing/send_time", "/timing/days"]
    assert pointers(every="never") == ["/timing/start_date", "/timing/send_time", "/timing/rule"]
    assert not recurring.read_when(MultiDict({"when": "elsewhen"})).is_later


@pytest.mark.parametrize("weeks", ["", "0", "53", "-2", "2.5", "two", "²"])
def test_a_number_of_weeks_that_cannot_be_is_said_at_its_field_while_it_counts(weeks: str) -> None:
    fields = {"when": "repeat", "start_date": "2026-11-14", "send_time": "08:00", "day": "MO", "weeks": weeks}
    assert pointers(**fields, every="weekly") == ["/timing/weeks"]
    recurring.check(recurring.read_when(MultiDict({**fields, "every": "daily"})))


def test_places_that_a_month_does_not_have_are_those_that_are_offered_first() -> None:
    when = recurring.read_when(MultiDict({"when": "repeat", "place": "7", "place_day": "XX"}))
    assert (when.place, when.place_day) == ("", "MO")


@pytest.mark.parametrize(
    ("named", "answers", "may"), [(choosing.MOST, "", True), (choosing.MOST + 1, "", False), (1, "message", False)]
)
def test_a_schedule_that_the_composer_would_cut_is_not_edited(named: int, answers: str, *, may: bool) -> None:
    kept = pb.Schedule(state=pb.SCHEDULE_STATE_ACTIVE, is_own=True, header=queue.MessageHeader(in_reply_to=answers))
    kept.audience.CopyFrom(directory.Audience(student_ids=["student"] * named))
    assert scheduling.may_edit(kept) is may
