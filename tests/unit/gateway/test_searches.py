"""A search is its address: what is read from it, and what goes back into links."""

import pytest
from werkzeug.datastructures import MultiDict

from protos.types.v1 import types_pb2 as types
from services.gateway.access import Person
from services.gateway.searches import LARGEST_PAGE, Search, read_search, refuse_problems
from services.kit.errors import InvalidArgument

ME = "0190aaaa-0000-7000-8000-000000000001"
OTHER = "0190aaaa-0000-7000-8000-000000000002"


def person(*permissions: str) -> Person:
    return Person(ME, "Ida Cole", "admin", frozenset(permissions), (), frozenset("*"), "Principal", "", "", True)


def read(*pairs: tuple[str, str], report: str = "history", may: tuple[str, ...] = ("view_all_users",)) -> Search:
    return read_search("/reports/history", report, MultiDict(pairs), person("communication_reports", *may))


@pytest.mark.accepts(23, 21)
def test_several_values_of_a_filter_are_united() -> None:
    found = read(("type", "email"), ("type", "sms"), ("school", "a"), ("secure", "1")).filter
    assert list(found.channels) == [types.CHANNEL_EMAIL, types.CHANNEL_SMS]
    assert list(found.school_ids) == ["a"]
    assert found.is_secure


@pytest.mark.accepts(6, 36)
def test_without_the_right_a_search_is_for_oneself() -> None:
    assert list(read(may=()).filter.sender_ids) == [ME]
    assert not read(may=()).filter.view_all_users


@pytest.mark.accepts(36)
def test_a_forged_tick_reaches_the_server_that_refuses_it() -> None:
    assert read(("searched", "1"), ("all_users", "1"), may=()).filter.view_all_users


@pytest.mark.accepts(34, 35)
def test_unticking_all_users_returns_to_oneself() -> None:
    ticked, unticked = read(("searched", "1"), ("all_users", "1")), read(("searched", "1"))
    assert (ticked.filter.view_all_users, list(ticked.filter.sender_ids)) == (True, [])
    assert (unticked.filter.view_all_users, list(unticked.filter.sender_ids)) == (False, [ME])


@pytest.mark.accepts(33)
def test_chosen_senders_are_the_ones_searched() -> None:
    assert list(read(("searched", "1"), ("sender", OTHER)).filter.sender_ids) == [OTHER]


@pytest.mark.accepts(26, 27, 28)
def test_dates_and_times_stand_alone() -> None:
    found = read(("start", "2026-11-01"), ("from_time", "22:00"), ("to_time", "06:00")).filter
    assert (found.start_date, found.end_date, found.start_time, found.end_time) == ("2026-11-01", "", "22:00", "06:00")


def test_what_cannot_be_read_is_reported_by_name() -> None:
    search = read(("start", "yesterday"), ("from_time", "25:00"))
    assert set(search.problems) == {"start", "from_time"}
    with pytest.raises(InvalidArgument) as raised:
        refuse_problems(search.problems)
    assert {each.pointer for each in raised.value.violations} == {"/start", "/from_time"}


@pytest.mark.parametrize("day", ["0026-11-14", "9999-12-31", "2026-02-30"])
def test_days_that_no_service_reads_are_told_at_their_field(day: str) -> None:
    assert read(("end", day)).problems == {"end": "Enter a date like 2026-11-14."}


@pytest.mark.accepts(211, 212)
@pytest.mark.parametrize(
    ("page", "size", "expected"),
    [
        ("", "", (1, 20)),
        ("3", "50", (3, 50)),
        ("-1", "x", (1, 20)),
        ("9" * 30, "100000", (1, LARGEST_PAGE)),
        ("0", "0", (1, 1)),
    ],
)
def test_pages_are_read_leniently(page: str, size: str, expected: tuple[int, int]) -> None:
    search = read(("page", page), ("size", size))
    assert (search.page.number, search.page.size) == expected


@pytest.mark.accepts(220)
def test_only_columns_that_sort_are_sorted_by() -> None:
    assert read(("sort", "errors"), ("order", "asc")).sort == types.Sort(column="errors", descending=False)
    assert read(("sort", "; drop table")).sort == types.Sort(column="date", descending=True)


@pytest.mark.accepts(187)
def test_threats_have_no_flagged_filter() -> None:
    assert read(("flagged", "1")).filter.is_flagged
    assert not read(("flagged", "1"), report="threats").filter.is_flagged


@pytest.mark.accepts(216, 223)
def test_rules_on_columns_are_read_in_order_and_empty_ones_left_out() -> None:
    rules = read(
        ("rule_column", "message"), ("rule_operator", "contains"), ("rule_value", "snow"),
        ("rule_column", "errors"), ("rule_operator", "greater"), ("rule_value", ""),
        ("rule_column", "referral"), ("rule_operator", "empty"), ("rule_value", ""),
    ).filter.rules  # fmt: skip
    assert [(rule.column, rule.operator, rule.value) for rule in rules] == [
        ("message", types.ColumnRule.OPERATOR_CONTAINS, "snow"),
        ("referral", types.ColumnRule.OPERATOR_EMPTY, ""),
    ]


def test_a_link_keeps_the_search_and_changes_one_part() -> None:
    search = read(("type", "email"), ("type", "sms"), ("page", "4"), ("unknown", "x"))
    assert search.link(page=2) == "/reports/history?type=email&type=sms&page=2"
    assert search.link("/elsewhere", page=None) == "/elsewhere?type=email&type=sms"


@pytest.mark.accepts(122, 123)
def test_attendance_reads_type_schools_dates_and_times_and_nothing_else() -> None:
    own = [("type", "sms"), ("school", "a"), ("start", "2026-11-01"), ("to_time", "09:00")]
    others = [("secure", "1"), ("emergency", "1"), ("flagged", "1"), ("all_users", "1"), ("sender", OTHER)]
    found = read(("searched", "1"), *own, *others, report="attendance").filter
    assert found == read(("searched", "1"), *own, report="attendance").filter
    assert (found.start_date, found.end_time, list(found.school_ids)) == ("2026-11-01", "09:00", ["a"])
    assert [found.is_secure, found.is_emergency, found.is_flagged, found.view_all_users] == [False] * 4
    assert list(found.sender_ids) == []
