"""Checks an answer against a service model of botocore: required members, types, enums and nothing unknown."""

import json
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from botocore.awsrequest import AWSResponse

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
}


def check_shape(shape: Any, value: Any, path: str = "") -> None:
    """AssertionError, naming the place, where `value`, as botocore parsed it or as JSON, does not fit the shape."""
    if shape.type_name == "structure":
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{path} lacks {missing}"
        for name, member in shape.members.items():
            if name in value:
                check_shape(member, value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        assert isinstance(value, list), path
        for number, item in enumerate(value):
            check_shape(shape.member, item, f"{path}[{number}]")
    elif shape.type_name == "map":
        assert isinstance(value, dict), path
        for key, item in value.items():
            check_shape(shape.value, item, f"{path}[{key}]")
    elif shape.type_name == "timestamp":
        assert isinstance(value, datetime | int | float), path
    else:
        _check_scalar(shape, value, path)


def _check_scalar(shape: Any, value: Any, path: str) -> None:
    assert isinstance(value, _TYPES[shape.type_name]), f"{path} is {value!r}, not {shape.type_name}"
    if enum := getattr(shape, "enum", None):
        assert value in enum, f"{path} is {value!r}, not one of {enum}"


class Checked:
    """A boto3 client whose every answer is checked, raw and parsed. `operations` are the names that were checked."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.operations: list[str] = []
        client.meta.events.register("after-call", self._check)

    def _check(self, http_response: AWSResponse, parsed: dict[str, Any], model: Any, **_more: Any) -> None:
        if http_response.status_code >= 300:
            return
        self.operations.append(model.name)
        if model.output_shape is None:
            return
        check_shape(model.output_shape, parsed, model.name)
        if model.service_model.metadata["protocol"] == "query":
            names = _members_of_xml(model, http_response.content)
        else:
            # botocore bends wrong types of JSON into right ones, so the text itself is checked too.
            raw = json.loads(http_response.content or b"{}")
            check_shape(model.output_shape, raw, model.name)
            names = set(raw)
        unknown = names - set(model.output_shape.members)
        assert not unknown, f"{model.name} answers {unknown}, which the service model does not know"


def _members_of_xml(model: Any, body: bytes) -> set[str]:
    """The names at the top of a query protocol's answer."""
    root = ET.fromstring(body)  # noqa: S314 - the answer of our own simulator
    namespace = f"{{{model.metadata['xmlNamespace']}}}" if "xmlNamespace" in model.metadata else ""
    assert root.tag == f"{namespace}{model.name}Response"
    result = root.find(f"{namespace}{model.name}Result")
    return set() if result is None else {child.tag.removeprefix(namespace) for child in result}
