"""AWS's JSON protocols 1.0 and 1.1, as Translate and End User Messaging speak them: `POST /` with X-Amz-Target."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from deploy.vendors.aws import AwsError, json_error, new_id, outage

_WORDS = {429: ("ThrottlingException", "Rate exceeded"), 500: ("InternalServerException", "Internal error")}


def answer(members: dict[str, Any], version: str) -> web.Response:
    """An answer in this version of the protocol."""
    headers = {"Content-Type": f"application/x-amz-json-{version}", "x-amzn-RequestId": new_id()}
    return web.Response(body=json.dumps(members).encode(), headers=headers)


def outage_answer(status: int, retry_after_seconds: float | None) -> web.Response:
    """How 429 and 500 are told. Throttling has status 400 here: the SDK goes by the name of the error."""
    response = outage(_WORDS, json_error)(status, retry_after_seconds)
    if status == 429:
        response.set_status(400)
    return response


def fields_of(body: bytes) -> dict[str, Any]:
    """The fields of a request. Raises AwsError SerializationException."""
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise AwsError("SerializationException", "The request body cannot be read") from error
    if not isinstance(fields, dict):
        raise AwsError("SerializationException", "The request body is not an object")
    return fields
