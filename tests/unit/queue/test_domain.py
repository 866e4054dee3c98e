"""The table of moves, receipts, once per family, delivery keys."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queue.domain import (
    COUNTED_AS,
    COUNTERS,
    FINAL,
    MAX_ATTEMPTS,
    MOVES,
    Channel,
    DeliveryKey,
    Deltas,
    FamilyFilter,
    Lane,
    Source,
    State,
    after_receipt,
    backoff,
    expiry,
    lane_of,
    may_move,
    source_of,
)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
STATES = st.sampled_from(list(State))
INITIAL = frozenset({State.HELD, State.PENDING, State.DUPLICATE, State.ERROR, State.OPTED_OUT})
"""States in which a delivery may begin."""


def test_every_state_can_be_reached_and_no_final_one_is_left() -> None:
    reached = set(INITIAL)
    while more := {after for state in reached for after in MOVES[state]} - reached:
        reached |= more
    assert reached == set(State)
    assert {State.EXPIRED, State.DUPLICATE, State.CANCELLED, State.OPTED_OUT} <= FINAL
    assert State.WITHHELD not in FINAL, "a reviewer may release it"
    assert all(MOVES[state] <= {State.ERROR} for state in FINAL)
    assert MOVES[State.SENT] == {State.ERROR}


@pytest.mark.accepts(62)
@given(st.lists(st.tuples(st.sampled_from(sorted(INITIAL)), st.lists(STATES, max_size=8)), max_size=30))
def test_counters_add_up_after_any_moves(deliveries: list[tuple[State, list[State]]]) -> None:
    counts: dict[str, int] = {}
    for first, wishes in deliveries:
        deltas = Deltas()
        deltas.move("entry", "school", None, first)
        state = first
        for wish in wishes:
            if may_move(state, wish):
                deltas.move("entry", "school", state, wish)
                state = wish
        for name, change in deltas.changed().get(("entry", "school"), {}).items():
            counts[name] = counts.get(name, 0) + change
    assert sum(counts.values()) == len(deliveries)
    assert all(value >= 0 for value in counts.values())
    assert set(COUNTED_AS.values()) == set(COUNTERS)


@pytest.mark.accepts(63)
@given(STATES, STATES, st.booleans(), st.booleans())
def test_receipts_never_leave_the_table(before: State, said: State, is_hard: bool, is_same: bool) -> None:
    after = after_receipt(before, said, is_hard_bounce=is_hard, is_same_attempt=is_same)
    assert after is before or may_move(before, after)
    if before in FINAL and after is not before:
        assert (before, after) == (State.SENT, State.ERROR)
        assert is_hard
        assert is_same


@pytest.mark.accepts(63)
@given(st.permutations([State.HANDED_OFF, State.SENT, State.HANDED_OFF, State.SENT]))
def test_receipts_in_any_order_end_the_same(order: list[State]) -> None:
    state = State.HANDED_OFF
    for said in order:
        state = after_receipt(state, said, is_hard_bounce=False, is_same_attempt=True)
    assert state is State.SENT


def test_an_earlier_attempts_failure_says_nothing_but_its_arrival_does() -> None:
    handed = State.HANDED_OFF
    assert after_receipt(handed, State.ERROR, is_hard_bounce=True, is_same_attempt=False) is handed
    assert after_receipt(handed, State.SENT, is_hard_bounce=False, is_same_attempt=False) is State.SENT


@pytest.mark.accepts(74)
def test_the_first_of_a_family_is_real() -> None:
    family = FamilyFilter(is_on=True)
    assert family.duplicates(["a@b.org", "a@b.org", "a@b.org", "c@d.org"]) == {1, 2}
    assert family.duplicates(["e@f.org", "c@d.org"]) == {1}


@pytest.mark.accepts(76)
@given(st.lists(st.text(max_size=3)))
def test_without_once_per_family_nobody_is_a_duplicate(contacts: list[str]) -> None:
    family = FamilyFilter(is_on=False)
    assert not family.duplicates(contacts)


@pytest.mark.accepts(72)
@given(st.lists(st.sampled_from(["", "x", "y", "z"])))
def test_as_many_are_real_as_there_are_contacts(contacts: list[str]) -> None:
    family = FamilyFilter(is_on=True)
    duplicates = family.duplicates(contacts)
    real = [contact for position, contact in enumerate(contacts) if position not in duplicates]
    assert sorted(each for each in real if each) == sorted(set(contacts) - {""})
    assert real.count("") == contacts.count("")


@given(st.uuids(version=4), st.integers(1, 1_000_000), st.integers(1, 999))
def test_a_delivery_key_comes_back_also_from_a_tag(entry_id: object, number: int, attempt: int) -> None:
    key = DeliveryKey(str(entry_id), number, attempt)
    assert DeliveryKey.parse(str(key)) == key
    assert DeliveryKey.parse(str(key).replace(".", "_")) == key


@given(st.text())
def test_other_texts_are_no_delivery_key(text: str) -> None:
    assert DeliveryKey.parse(text) is None


@pytest.mark.accepts(45, 228, 234)
def test_an_excluded_school_never_speaks_for_the_district() -> None:
    assert source_of(Source.DISTRICT, is_excluded=True) is Source.SCHOOL
    assert source_of(Source.DISTRICT, is_excluded=False) is Source.DISTRICT
    assert source_of(Source.SCHOOL, is_excluded=True) is Source.SCHOOL


def test_lanes_expiry_and_pauses() -> None:
    assert lane_of(Lane.NORMAL, is_emergency=True) is Lane.EMERGENCY
    assert lane_of(Lane.ALERT, is_emergency=True) is Lane.ALERT
    for channel in Channel:
        plain = expiry(channel, NOW, is_emergency=False, asked=None)
        assert NOW < expiry(channel, NOW, is_emergency=True, asked=None) < plain
        assert expiry(channel, NOW, is_emergency=False, asked=NOW + timedelta(hours=1)) == NOW + timedelta(hours=1)
    pauses = [backoff(attempt, Lane.NORMAL, 5) for attempt in range(1, MAX_ATTEMPTS + 1)]
    assert pauses == sorted(set(pauses))
    assert all(backoff(attempt, Lane.EMERGENCY, 5) < pauses[attempt - 1] for attempt in range(1, MAX_ATTEMPTS + 1))
