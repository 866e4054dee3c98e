"""Schemas of messages say what protobuf writes."""

from google.protobuf.json_format import MessageToDict

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway.schemas import model_of


def test_a_schema_has_the_members_of_the_message_and_names_those_that_are_always_there() -> None:
    schema = model_of(queue.SubmitResponse).model_json_schema()
    assert list(schema["properties"]) == ["message_id", "entries", "is_held", "is_repeat"]
    assert schema["properties"]["is_held"] == {"type": "boolean"}
    assert schema["properties"]["entries"]["items"] == {"$ref": "#/components/schemas/queue.v1.SubmittedEntry"}
    written = MessageToDict(
        queue.SubmitResponse(), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert schema["required"] == list(written)
    assert "sent" in schema["$defs"]["types.v1.DeliveryCounts"]["properties"]
    assert schema["$defs"]["types.v1.Channel"]["enum"] == types.Channel.keys()


def test_times_and_numbers_of_64_bits_are_texts() -> None:
    schema = model_of(reports.SearchHistoryResponse).model_json_schema()
    assert schema["properties"]["as_of"] == {"type": "string", "format": "date-time"}
    page = schema["$defs"]["types.v1.PageInfo"]["properties"]
    assert (page["total_rows"]["type"], page["number"]["type"]) == ("string", "integer")
    assert not any("Timestamp" in name for name in schema["$defs"])


def test_a_map_is_an_object_and_needs_no_message() -> None:
    schema = model_of(directory.PreviewAudienceResponse).model_json_schema()
    assert schema["properties"]["reachable"]["additionalProperties"]["type"] in {"integer", "string"}
    assert not any(name.endswith("Entry") for name in schema["$defs"])


def test_members_beside_those_of_the_message_are_added() -> None:
    schema = model_of(directory.Person, url={"type": "string"}).model_json_schema()
    assert schema["properties"]["url"] == {"type": "string"}
    assert "url" in schema["required"]


def test_every_object_passes() -> None:
    assert model_of(queue.SubmitResponse).model_validate({"message_id": 7, "more": []})
