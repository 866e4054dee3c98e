"""Columns of the tables, as the acceptance list names them."""

import pytest

from services.gateway.columns import REPORTS, default_hidden, shown


def titles(report: str) -> list[str]:
    return [column.title for column in shown(report, default_hidden(report))]


@pytest.mark.accepts(37, 38)
def test_history_has_its_eighteen_columns_in_order() -> None:
    assert titles("history") == [
        "Date", "Type", "Message", "Source", "From", "To", "Recipient type", "Regarding student", "Total", "Sent",
        "Pending", "Expired", "Errors", "Secure", "Emergency", "Flagged", "Admin flagged", "Referral",
    ]  # fmt: skip


@pytest.mark.accepts(57)
def test_the_four_other_outcomes_are_hidden_until_asked_for() -> None:
    assert default_hidden("history") == ["duplicate", "withheld", "cancelled", "opted_out"]


@pytest.mark.accepts(125, 126)
def test_attendance_has_its_twelve_columns_and_no_others() -> None:
    assert [column.title for column in REPORTS["attendance"]] == [
        "Date", "Type", "Message", "Source", "From", "Recipient type", "To", "Regarding student", "Total", "Sent",
        "Pending", "Errors",
    ]  # fmt: skip


@pytest.mark.accepts(188, 189)
def test_threats_have_no_pending_expired_or_admin_flagged() -> None:
    assert titles("threats") == [
        "Date", "Type", "Message", "Source", "From", "Recipient type", "To", "Regarding student(s)", "Total", "Sent",
        "Errors", "Flagged", "Referral", "Acknowledge", "Decision",
    ]  # fmt: skip


@pytest.mark.accepts(70, 71, 96, 129, 130, 192)
def test_expiration_is_in_the_recipients_of_history_alone() -> None:
    assert titles("recipients") == [
        "Last update", "Status", "Type", "Name", "Destination", "School", "Staff ID", "Regarding student", "Student ID",
        "Message", "Expiration", "Error",
    ]  # fmt: skip
    for report in ("errors", "threat-recipients", "attendance-recipients", "attendance-errors"):
        assert titles(report) == [title for title in titles("recipients") if title != "Expiration"]


def test_hiding_everything_leaves_one_column() -> None:
    assert shown("errors", [column.key for column in REPORTS["errors"]]) == [REPORTS["errors"][0]]
