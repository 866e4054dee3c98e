"""Charts of answers: shares that add up, and slices that close the circle."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.charts import shares, slices

COUNTS = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=10)


@given(COUNTS)
def test_shares_add_up_to_a_hundred_and_are_near_the_truth(counts: list[int]) -> None:
    found = [int(each.removesuffix(" %")) for each in shares(counts)]
    total = sum(counts)
    assert sum(found) == (100 if total else 0)
    assert all(abs(share - 100 * count / total) < 1 for share, count in zip(found, counts, strict=True) if total)


def test_thirds_give_the_rest_to_the_first() -> None:
    assert shares([1, 1, 1]) == ["34 %", "33 %", "33 %"]
    assert shares([0, 0]) == ["0 %", "0 %"]


@given(COUNTS)
def test_slices_are_of_what_was_chosen_and_follow_each_other(counts: list[int]) -> None:
    found = slices(counts)
    assert [each.place for each in found] == [place for place, count in enumerate(counts, 1) if count]
    if len(found) < 2:
        return
    ends = [tuple(map(float, re.findall(r"-?[\d.]+", each.path)))[-2:] for each in found]
    begins = [tuple(map(float, re.findall(r"-?[\d.]+", each.path)))[2:4] for each in found]
    assert begins == [(0.0, -50.0), *ends[:-1]] or begins[1:] == ends[:-1]
    assert ends[-1] == pytest.approx((0, -50), abs=0.01)


def test_one_answer_alone_is_a_whole_circle() -> None:
    (whole,) = slices([0, 7])
    assert whole.path.count("A") == 2
    assert math.hypot(whole.x, whole.y) == 0
