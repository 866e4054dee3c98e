"""Clients of the vendors' own SDKs, pointed at the simulator as the product points them."""

from collections.abc import Iterator
from typing import Any

import pytest
from moderation_api import ModerationAPI
from twilio.rest import Client

from tests.contract.vendors.clients import aws_client, twilio_client
from tests.contract.vendors.prism import Prism
from tests.support.vendors import MODAPI_KEY, VendorSimulator, receiver, vendor_process, vendors  # noqa: F401


@pytest.fixture
def twilio(vendors: VendorSimulator) -> Iterator[Client]:  # noqa: F811
    client = twilio_client(vendors.url)
    yield client
    client.http_client.session.close()


@pytest.fixture
def ses(vendors: VendorSimulator) -> Iterator[Any]:  # noqa: F811
    client = aws_client("sesv2", vendors.url)
    yield client
    client.close()


@pytest.fixture
def sns(vendors: VendorSimulator) -> Iterator[Any]:  # noqa: F811
    client = aws_client("sns", vendors.url)
    yield client
    client.close()


@pytest.fixture
def translate(vendors: VendorSimulator) -> Iterator[Any]:  # noqa: F811
    client = aws_client("translate", vendors.url)
    yield client
    client.close()


@pytest.fixture
def messaging(vendors: VendorSimulator) -> Iterator[Any]:  # noqa: F811
    client = aws_client("pinpoint-sms-voice-v2", vendors.url)
    yield client
    client.close()


@pytest.fixture
def moderation(vendors: VendorSimulator) -> Iterator[ModerationAPI]:  # noqa: F811
    with ModerationAPI(secret_key=MODAPI_KEY, server_url=f"{vendors.url}/v1", timeout_ms=2000) as client:
        yield client


@pytest.fixture(scope="session")
def prism(vendor_process: VendorSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prism]:  # noqa: F811
    """Prism in front of the simulator, holding both sides to Twilio's published specification."""
    proxy = Prism.start(vendor_process.url, tmp_path_factory.mktemp("prism"))
    yield proxy
    proxy.stop()
