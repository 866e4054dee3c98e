"""AWS End User Messaging SMS through boto3: texts that are taken and refused, in the service model's shapes."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.vendors.shapes import Checked
from tests.support.vendors import VendorSimulator


def sent(client: Any, to: str = "+12125550101", **changes: Any) -> dict[str, Any]:
    wanted = {"DestinationPhoneNumber": to, "OriginationIdentity": "+18445550123", "MessageBody": "Bus 4 is late."}
    return dict(client.send_text_message(**{**wanted, "Context": {"delivery_key": "a.1.1"}, **changes}))


def test_answers_fit_the_service_model(messaging: Any, vendors: VendorSimulator) -> None:
    checked = Checked(messaging)
    answer = sent(messaging, TimeToLive=60, MessageType="TRANSACTIONAL", ConfigurationSetName="texts")
    assert checked.operations == ["SendTextMessage"]
    (arrived,) = vendors.arrivals(channel="sms")
    assert (arrived["vendor_id"], arrived["tags"]) == (answer["MessageId"], {"delivery_key": "a.1.1"})
    assert (arrived["to"], arrived["sender"], arrived["text"]) == ("+12125550101", "+18445550123", "Bus 4 is late.")


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"to": "+16465550188"}, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
        ({"to": "+16465550189"}, "ValidationException", "INVALID_PARAMETER"),
        ({"MessageBody": " \n"}, "ValidationException", "FIELD_VALIDATION_FAILED"),
    ],
)
def test_refusals_say_why(messaging: Any, vendors: VendorSimulator, changes: Any, code: str, reason: str) -> None:
    with pytest.raises(ClientError) as refused:
        sent(messaging, **changes)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["Reason"] == reason
    assert vendors.arrivals(channel="sms") == []


@pytest.mark.parametrize(("mode", "code"), [("429", "ThrottlingException"), ("500", "InternalServerException")])
def test_outages_have_amazons_names(messaging: Any, vendors: VendorSimulator, mode: str, code: str) -> None:
    vendors.modes(aws_sms={"mode": mode})
    with pytest.raises(ClientError) as refused:
        sent(messaging)
    assert refused.value.response["Error"]["Code"] == code
