"""Recipients as they come: column by column."""

import pytest

from protos.directory.v1 import directory_pb2 as directory
from protos.types.v1 import types_pb2 as types
from services.kit.columns import columns_of
from services.kit.errors import InvalidArgument
from services.queue.contacts import destination, reached
from services.queue.domain import CALLS, Channel
from services.queue.pieces import addressees
from services.queue.records import ROLE_PARENT, ROLE_TEACHER, TYPE_DIRECTORY, TYPE_IMPORTED, Addressee, Addressees

_PARENT = Addressee(
    *("p1", "Pat Parent", ROLE_PARENT, "s1", "", "c1", "Riley Child", "17", "es", "Pat@Example.org", "+12125550101"),
    *("token-1,token-2", True, "", "", TYPE_DIRECTORY, "+12125550101,+12125550102", ""),
)
_TEACHER = Addressee(
    "t1", "Tess", ROLE_TEACHER, "s1", "9", "", "", "", "en", "", "", "", False, "x@", "12", 1, "", "12"
)
_UPLOADED = Addressee("", "Uma", 0, "", "", "", "", "", "", "", "(212) 555-0103", "", False, "", "", TYPE_IMPORTED)


def test_columns_say_what_rows_say() -> None:
    parent = directory.Recipient(
        person_id="p1",
        name="Pat Parent",
        role=types.ROLE_PARENT,
        school_id="s1",
        regarding_student_id="c1",
        regarding_student_name="Riley Child",
        student_number="17",
        language="es",
        email="Pat@Example.org",
        mobile="+12125550101",
        phones=["+12125550101", "+12125550102"],
        devices=["token-1", "token-2"],
        has_account=True,
    )
    teacher = directory.Recipient(person_id="t1", name="Tess", role=types.ROLE_TEACHER, school_id="s1", staff_id="9")
    teacher.language = "en"
    teacher.invalid_contacts.update({"email": "x@", "mobile": "12"})
    columns = columns_of([parent, teacher])
    assert (columns.count, len(columns.invalid_landlines), "landline" in teacher.invalid_contacts) == (2, 0, False)
    found = addressees(
        directory.RecipientColumns.FromString(columns.SerializeToString()), types.RECIPIENT_TYPE_DIRECTORY
    )
    assert [found.row(0), found.row(1)] == [_PARENT, _TEACHER]


def test_names_are_cut_and_hold_no_zero_characters() -> None:
    columns = directory.RecipientColumns(count=1, names=["A\x00" + "x" * 300], regarding_student_names=["y" * 300])
    found = addressees(columns, types.RECIPIENT_TYPE_IMPORTED).row(0)
    assert (found.name, len(found.regarding_student_name), found.type) == ("A" + "x" * 198, 200, TYPE_IMPORTED)


def test_uneven_and_large_pieces_are_refused() -> None:
    with pytest.raises(InvalidArgument) as uneven:
        addressees(
            directory.RecipientColumns(count=2, names=["a", "b"], emails=["a@b.org"]), types.RECIPIENT_TYPE_DIRECTORY
        )
    assert (uneven.value.reason, uneven.value.violations[0][0]) == ("PIECE_UNEVEN", "/recipients/columns/emails")
    with pytest.raises(InvalidArgument) as large:
        addressees(directory.RecipientColumns(count=1_001), types.RECIPIENT_TYPE_DIRECTORY)
    assert large.value.reason == "PIECE_TOO_LARGE"


@pytest.mark.parametrize("channel", list(Channel))
def test_a_column_of_contacts_is_what_each_of_them_is(channel: Channel) -> None:
    rows = [_PARENT, _TEACHER, _UPLOADED, _PARENT._replace(email=" a" * 200, mobile="n/a", phones="")]
    found = reached(channel, Addressees.of(rows), 5, has_inbox=True)
    single = [destination(channel, each, has_inbox=True) for each in rows]
    assert list(zip(found.destinations, found.problems, strict=True)) == [each for each in single if each]
    assert list(found.numbers) == [number for number, each in enumerate(single, 5) if each]
    assert found.people.size == len(found.numbers)
    if channel in CALLS:
        assert found.families()[0] == "+12125550101"


def test_parts_are_joined_in_order() -> None:
    parts = [Addressees.of([]), Addressees.of([_PARENT]), Addressees.of([_TEACHER, _UPLOADED])]
    found = Addressees.joined(parts)
    assert [found.row(each) for each in range(found.size)] == [_PARENT, _TEACHER, _UPLOADED]
