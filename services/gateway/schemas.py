"""JSON Schemas of protobuf's messages, as answers spell them: names as in the protos, 64-bit numbers as text."""

from collections.abc import Iterator
from typing import Any, ClassVar, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, ConfigDict, create_model

Schema = dict[str, Any]
_REFERENCE = "#/components/schemas/"
_TIME: Schema = {"type": "string", "format": "date-time"}
_LONG: Schema = {"type": "string", "pattern": "^-?[0-9]+$"}
_KINDS: dict[int, Schema] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.CPPTYPE_INT64: _LONG,
    FieldDescriptor.CPPTYPE_UINT64: _LONG,
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}


class Described(BaseModel):
    """A message's answer. Every object passes: what protobuf wrote needs no second look."""

    model_config = ConfigDict(extra="allow")
    described: ClassVar[Schema]

    @classmethod
    def model_json_schema(cls, *_args: Any, **_kwargs: Any) -> Schema:
        """Return the schema of the message; names of its parts are those of components of the document."""
        return cls.described


def model_of(message: type[Message], **more: Schema) -> type[Described]:
    """Return a model whose schema is that of a message in JSON, with `more` members beside its own."""
    descriptor = cast(Descriptor, message.DESCRIPTOR)
    nested = {_name(each): _schema(each) for each in _needed(descriptor)}
    own = _schema(descriptor)
    own = {**own, "properties": {**own["properties"], **more}, "required": [*own["required"], *more], "$defs": nested}

    model = create_model(_name(descriptor), __base__=Described)
    model.described = own
    return model


def _name(descriptor: Descriptor | EnumDescriptor) -> str:
    return str(descriptor.full_name).removeprefix("comms.")


def _needed(descriptor: Descriptor) -> Iterator[Descriptor | EnumDescriptor]:
    """Yield each message and enum that a message is made of, once; not itself, nor times."""
    known = {descriptor.full_name, Timestamp.DESCRIPTOR.full_name}
    waiting: list[Descriptor] = [descriptor]
    while waiting:
        for each in waiting.pop().fields:
            found = each.message_type or each.enum_type
            if found is not None and found.full_name not in known:
                known.add(found.full_name)
                waiting += [found] if isinstance(found, Descriptor) else []
                if not _is_map(found):
                    yield found


def _schema(descriptor: Descriptor | EnumDescriptor) -> Schema:
    title = {"title": descriptor.name}
    if isinstance(descriptor, EnumDescriptor):
        return {**title, "type": "string", "enum": [value.name for value in descriptor.values]}
    # Fields without presence are always written; others when they are set.
    return {
        **title,
        "type": "object",
        "properties": {field.name: _field(field) for field in descriptor.fields},
        "required": [field.name for field in descriptor.fields if not field.has_presence],
    }


def _field(field: FieldDescriptor) -> Schema:
    entry = field.message_type
    if entry is not None and _is_map(entry):
        return {"type": "object", "additionalProperties": _value(entry.fields_by_name["value"])}
    return {"type": "array", "items": _value(field)} if field.is_repeated else _value(field)


def _is_map(descriptor: Descriptor | EnumDescriptor) -> bool:
    """Tell whether it is what protobuf makes of a map, which JSON has as an object."""
    return isinstance(descriptor, Descriptor) and bool(descriptor.GetOptions().map_entry)


def _value(field: FieldDescriptor) -> Schema:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    found = field.message_type or field.enum_type
    if found is None:
        return _KINDS[field.cpp_type]
    return _TIME if found.full_name == Timestamp.DESCRIPTOR.full_name else {"$ref": f"{_REFERENCE}{_name(found)}"}
