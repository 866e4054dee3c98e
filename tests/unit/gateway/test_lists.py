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


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_end_as_on_any_system(end: str) -> None:
    good, problems = read_list(end.join(["name,email", "Ann,ann@example.org", "Bob,", ""]).encode())
    assert ([each["name"] for each in good], [each["line"] for each in problems]) == (["Ann"], [3])


@pytest.mark.parametrize("row", ["Ro\0sa,r@example.org,", "Rosa,r@exam\0ple.org,", "Rosa,,(212) 555-\0000142"])
def test_a_character_that_cannot_be_stored_is_a_problem_of_its_line(row: str) -> None:
    good, problems = read_list(f"name,email,mobile\n{row}\n".encode())
    assert (good, [each["line"] for each in problems]) == ([], [2])
    assert "\0" not in problems[0]["detail"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"first,second\na,b\n",
        "name,email\nZo\u00eb,z@example.org\n".encode("latin-1"),
        b"name,email\n" + b"A,a@example.org\n" * (MOST_ROWS + 1),
        b"name,email," + b"x" * 200_000 + b"\nA,a@example.org,\n",
        b"name,email" + b"," * 49 + b"\nA,a@example.org,\n",
    ],
    ids=["empty", "columns", "encoding", "rows", "header", "width"],
)
def test_a_file_that_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read_list(content)
    assert raised.value.reason == "LIST_UNREADABLE"


def test_fifty_columns_are_read_short_rows_too_and_empty_ones_skipped() -> None:
    content = b"email,Name" + b"," * 48 + b"\na@example.org,A\n\n" + b",\n" * 30_000 + b",B\n"
    good, problems = read_list(content)
    assert good == [{"name": "A", "email": "a@example.org", "mobile": ""}]
    assert [each["line"] for each in problems] == [30_004]
