"""What our adapters post to Twilio, held by Prism to the specification that Twilio publishes: no library writes it."""

from tests.contract.vendors.conftest import prism
from tests.contract.vendors.prism import Prism
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.vendors import VendorSimulator

__all__ = ["prism"]
CHANNELS = [("sms", "School is closed."), ("tts", "School is closed.")]


async def test_texts_and_calls_are_as_twilio_specifies_them(
    queue: Queue, vendors: VendorSimulator, prism: Prism
) -> None:
    dispatcher = queue.dispatcher(twilio_base_url=prism.url, provider_timeout_seconds=30.0)
    await queue.submit(draft(channels=CHANNELS), [person(2), person(4)])
    await queue.drain(dispatcher)
    rows = await queue.rows("SELECT state, error_code, provider_message_id <> '' FROM outcomes")
    assert [tuple(row) for row in rows] == [("handed_off", "", True)] * 4, prism.said()
    assert len(vendors.arrivals(channel="sms")) == len(vendors.arrivals(channel="voice")) == 2
