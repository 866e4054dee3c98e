"""What arrived: exact counts, recipients reached twice, filters, the bound on memory, and the page for people."""

from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from twilio.rest import Client

from tests.contract.vendors.clients import twilio_client
from tests.support.vendors import FROM_NUMBER, VendorSimulator

TO = "+12125550111"


def send(client: Client, tags: str = "", to: str = TO, body: str = "School is closed.") -> None:
    callback = {"status_callback": f"http://127.0.0.1:9/never?{tags}"} if tags else {}
    client.messages.create(to=to, from_=FROM_NUMBER, body=body, **callback)


def test_a_second_attempt_at_the_same_recipient_is_a_double(twilio: Client, vendors: VendorSimulator) -> None:
    send(twilio, "recipient=1&entry=e&attempt=a")
    send(twilio, "recipient=2&entry=e&attempt=a")
    send(twilio, "recipient=1&entry=f&attempt=a")
    assert (vendors.counts()["total"], vendors.counts()["doubles"]) == (3, 0)
    send(twilio, "recipient=1&entry=e&attempt=b")
    counts = vendors.counts()
    assert (counts["total"], counts["recipients"], counts["doubles"]) == (4, 3, 1)
    assert [arrival["tags"]["attempt"] for arrival in counts["doubled"]] == ["b", "a"]


def test_the_queues_delivery_key_names_the_recipient_without_its_last_part(
    twilio: Client, ses: Any, vendors: VendorSimulator
) -> None:
    entry = "0198c0de-0000-7000-8000-000000000001"
    for key in ("7.1", "8.1", "7.2"):
        send(twilio, f"delivery_key={entry}.{key}")
    for key in ("7_1", "7_2"):
        ses.send_email(
            FromEmailAddress="office@example.org",
            Destination={"ToAddresses": ["ana@example.org"]},
            Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
            EmailTags=[{"Name": "delivery_key", "Value": f"{entry}_{key}"}],
        )
    counts = vendors.counts()
    assert (counts["total"], counts["recipients"], counts["doubles"]) == (5, 3, 2)
    assert len(vendors.arrivals(tag=f"delivery_key={entry}.7.*")) == 2
    assert len(vendors.arrivals(tag=f"delivery_key={entry}*", channel="email")) == 2


def test_a_second_attempt_after_a_failure_is_no_double(twilio: Client, vendors: VendorSimulator) -> None:
    for attempt in ("a", "b"):
        send(twilio, f"recipient=1&attempt={attempt}", to="+12125550191")
    counts = vendors.counts()
    assert (counts["doubles"], counts["repeats"], counts["reached"]) == (0, 1, 0)


def test_without_tags_the_text_tells_messages_apart(twilio: Client, vendors: VendorSimulator) -> None:
    send(twilio, body="one")
    send(twilio, body="two")
    assert vendors.counts()["doubles"] == 0
    send(twilio, body="one")
    assert vendors.counts()["doubles"] == 1


def test_arrivals_can_be_filtered(twilio: Client, vendors: VendorSimulator) -> None:
    send(twilio, "recipient=1&message=m")
    send(twilio, "recipient=2&message=m", to="+12125550112")
    send(twilio, "recipient=3&message=n")
    assert [each["tags"]["recipient"] for each in vendors.arrivals(to=TO)] == ["3", "1"]
    assert [each["tags"]["recipient"] for each in vendors.arrivals(tag="message=m")] == ["2", "1"]
    assert [each["tags"]["recipient"] for each in vendors.arrivals(tag=["message=m", "recipient=1"])] == ["1"]
    assert vendors.arrivals(words="no such words") == []
    assert len(vendors.arrivals(words=vendors.arrivals(limit=1)[0]["text"])) == 3
    assert vendors.arrivals(channel="email") == []
    newest = vendors.arrivals(limit=1)[0]["seq"]
    assert vendors.arrivals(after=newest) == []
    assert vendors.get("/arrived.json", limit=1)["matching"] == 3


def test_memory_is_bounded_and_the_total_stays_exact() -> None:
    simulator = VendorSimulator.start("--max-arrivals", "5")
    client = twilio_client(simulator.url)
    try:
        for number in range(8):
            send(client, to=f"+1212555012{number}")
        counts = simulator.counts()
        assert (counts["total"], counts["kept"], counts["dropped"]) == (8, 5, 3)
        assert simulator.arrivals(to="+12125550120") == []
        assert len(client.messages.list()) == 5
    finally:
        client.http_client.session.close()
        assert simulator.stop() == 0


@pytest.mark.parametrize("query", ["limit=x", "after=-1"])
def test_a_filter_that_makes_no_sense_is_refused(vendors: VendorSimulator, query: str) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{vendors.url}/arrived.json?{query}", timeout=5)  # noqa: S310
    refused.value.close()
    assert refused.value.code == 400


def page(vendors: VendorSimulator, path: str = "/") -> str:
    with urlopen(f"{vendors.url}{path}", timeout=5) as response:  # noqa: S310
        return str(response.read().decode())


def test_the_page_shows_what_arrived_and_escapes_it(twilio: Client, ses: Any, vendors: VendorSimulator) -> None:
    send(twilio, body="<script>alert(1)</script>")
    ses.send_email(
        FromEmailAddress="office@example.org",
        Destination={"ToAddresses": ["ana@example.org"]},
        Content={"Simple": {"Subject": {"Data": "Snow & ice"}, "Body": {"Html": {"Data": "<p>closed</p>"}}}},
    )
    vendors.wait_quiet()
    text = page(vendors)
    assert "Snow &amp; ice" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
    assert "✓ delivered" in text
    assert "ana@example.org" not in page(vendors, f"/?q={quote(TO)}")
    email = vendors.arrivals(channel="email")[0]
    assert "&lt;p&gt;closed&lt;/p&gt;" in page(vendors, f"/arrived/{email['seq']}")


def test_every_outcome_is_listed(vendors: VendorSimulator) -> None:
    tables = vendors.get("/control/outcomes")
    text = page(vendors)
    assert set(tables) == {"sms", "voice", "email", "push"}
    assert all(key in text for table in tables.values() for key in table)
