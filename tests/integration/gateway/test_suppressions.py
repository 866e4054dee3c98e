"""Contact standing › Not written to: the table, its workbook, and several lifted at once; on real services."""

import re
from collections.abc import Iterator
from io import BytesIO

import psycopg
import pytest
from python_calamine import CalamineWorkbook

from tests.integration.gateway.filled import filled
from tests.integration.gateway.stack import Stack
from tests.support.eventually import eventually_sync

PATH = "/contact-standing/suppressed"
BOUNCED = [f"p{number}@wrong.example.org" for number in range(3)]
NUMBER = "+16465550187"


@pytest.fixture
def suppressed(stack: Stack) -> Iterator[None]:
    """Three addresses of a domain that bounced together, one that complained, and a number that is none."""
    rows = [("email", each, "hard_bounce", "Bounce/Permanent/General", "2026-11-14T12:00Z") for each in BOUNCED]
    rows += [("email", "rosa@example.org", "complaint", "abuse", "2026-11-13T12:00Z")]
    rows += [("sms", NUMBER, "invalid_number", "21614", "2026-11-12T12:00Z")]
    with psycopg.connect(stack.environments["queue"]["DATABASE_URL"], autocommit=True) as connection:
        connection.cursor().executemany("INSERT INTO suppressions VALUES (%s, %s, %s, %s, %s)", rows)
        yield
        connection.execute("DELETE FROM suppressions")


def shown(page: str) -> list[str]:
    """Return the destinations of the page's rows."""
    return re.findall(r'<input type="checkbox" name="destination" value="([^"]+)"', page)


@pytest.mark.accepts(311)
def test_operators_see_what_is_not_written_to_page_by_page(stack: Stack, suppressed: None) -> None:
    district = stack.browser("off")
    assert f'href="{PATH}"' in district.get("/contact-standing").get_data(as_text=True)
    first = district.get(f"{PATH}?size=2").get_data(as_text=True)
    assert shown(first) == BOUNCED[:0:-1]
    assert "5 addresses and numbers" in first
    assert "Mail came back for good" in first
    pages = [first]
    while found := re.search(r'rel="next" href="([^"]+)"', pages[-1]):
        pages.append(district.get(found[1].replace("&amp;", "&")).get_data(as_text=True))
    assert [shown(each) for each in pages[1:]] == [[BOUNCED[0], "rosa@example.org"], [NUMBER]]
    for query, wanted in (
        ("domain=wrong.example.org", BOUNCED[::-1]),
        ("reason=complaint", ["rosa@example.org"]),
        ("way=sms", [NUMBER]),
        ("since=2026-11-13", [*BOUNCED[::-1], "rosa@example.org"]),
        ("since=2026-11-15", []),
    ):
        assert shown(district.get(f"{PATH}?{query}").get_data(as_text=True)) == wanted
    assert stack.browser("tea").get(PATH).status_code == 403


@pytest.mark.parametrize(
    ("query", "error", "sentence"),
    [
        ("domain=a@b", "error-domain", "Enter what follows the @."),
        ("since=soon", "error-since", "Enter a date like 2026-11-14."),
    ],
)
def test_what_cannot_be_read_is_said_at_its_field(stack: Stack, query: str, error: str, sentence: str) -> None:
    page = stack.browser("off").get(f"{PATH}?{query}").get_data(as_text=True)
    assert re.search(f'id="{error}">.{{0,60}}{re.escape(sentence)}', page)
    assert f'aria-describedby="{error}"' in page
    assert "The search cannot be read" in page


@pytest.mark.accepts(309, 311)
def test_what_is_ticked_is_lifted_together_and_each_is_in_the_audit_log(stack: Stack, suppressed: None) -> None:
    district = stack.browser("off")
    page = district.get(f"{PATH}?domain=wrong.example.org&ticked=all").get_data(as_text=True)
    address = f"{PATH}/lift?domain=wrong.example.org"
    assert filled(page, f"{address}&size=20")["destination"] == BOUNCED[::-1]
    none = district.post(address)
    assert (none.status_code, "Tick what to lift: at least one" in none.get_data(as_text=True)) == (400, True)
    assert stack.browser("tea").post(address, {"destination": BOUNCED}).status_code == 403
    done = district.post(address, {"destination": BOUNCED[:2]})
    assert done.status_code == 303
    after = district.get(done.headers["Location"]).get_data(as_text=True)
    assert "2 addresses and numbers are written to again." in after
    assert shown(after) == BOUNCED[2:]
    assert district.post(address, {"destination": BOUNCED[:2]}).status_code == 404

    def is_logged() -> None:
        log = district.get("/audit?action=suppression.lifted").get_data(as_text=True)
        assert log.count("email p•••@wrong.example.org") == 2
        assert "Ada North" in log

    eventually_sync(is_logged)


@pytest.mark.accepts(213, 214, 244)
def test_its_workbook_has_every_row_and_is_in_the_audit_log(stack: Stack, suppressed: None) -> None:
    district = stack.browser("off")
    answer = district.get(f"{PATH}/excel?way=email&reason=hard_bounce&since=2026-11-01&domain=wrong.example.org")
    rows = CalamineWorkbook.from_filelike(BytesIO(answer.get_data())).get_sheet_by_index(0).to_python()
    assert rows[0] == ["Since", "Way", "Address or number", "Why", "Provider's code"]
    assert [row[1:] for row in rows[1:]] == [
        ["E-mail", each, "Mail came back for good", "Bounce/Permanent/General"] for each in BOUNCED[::-1]
    ]
    (record, *_) = district.get("/api/v1/audit?action=suppressions.exported").get_json()["records"]
    assert record["detail"] == "reason=hard_bounce channel=1 start_date=2026-11-01 rule=destination"
    assert stack.browser("tea").get(f"{PATH}/excel").status_code == 403
    assert district.get(f"{PATH}/excel?since=soon").status_code == 400
