"""Uploaded lists: the good rows go, the bad are named by line."""

import pytest

from services.gateway.lists import MOST_ROWS, read_list
from services.kit.errors import InvalidArgument


def test_good_rows_go_in_normal_form_and_bad_ones_are_named_by_line() -> None:
    content = (
        "\ufeffName,Email,Mobile\n"
        "Ann Lee,ANN@Example.ORG,\n"
        "Bob,not-an-address,\n"
        "Cy Dove,,(212) 555-0142\n"
        ",nobody@example.org,\n"
        "\n"
        "Di,,123\n"
        "Ed,,\n"
    ).encode()
    good, problems = read_list(content)
    assert good == [
        {"name": "Ann Lee", "email": "ann@example.org", "mobile": ""},
        {"name": "Cy Dove", "email": "", "mobile": "+12125550142"},
    ]
    assert [each["line"] for each in problems] == [3, 5, 7, 8]


def test_a_row_with_too_many_values_is_named() -> None:
    _, problems = read_list(b"name,email\nAnn,ann@example.org,extra\n")
    assert [each["line"] for each in problems] == [2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"first,second\na,b\n",
        "name,email\nZo\u00eb,z@example.org\n".encode("latin-1"),
        b"name,email\n" + b"A,a@example.org\n" * (MOST_ROWS + 1),
    ],
    ids=["empty", "columns", "encoding", "rows"],
)
def test_a_file_that_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read_list(content)
    assert raised.value.reason == "LIST_UNREADABLE"
