"""What is taken for an id: what the database takes, in either case, and nothing that Python alone reads."""

import pytest

from services.kit.errors import InvalidArgument
from services.kit.ids import check_id, is_id, new_id


def test_an_id_is_returned_in_its_usual_form() -> None:
    fresh = new_id()
    assert check_id("message_id", fresh.upper()) == check_id("message_id", fresh.replace("-", "")) == fresh


@pytest.mark.parametrize("form", ["urn:uuid:{}", "{{{}}}", "{}\n", "{}0", ""])
def test_what_the_database_would_refuse_is_no_id(form: str) -> None:
    text = form.format(new_id())
    assert not is_id(text)
    with pytest.raises(InvalidArgument) as caught:
        check_id("ids/3", text)
    assert [each.pointer for each in caught.value.violations] == ["/ids/3"]
