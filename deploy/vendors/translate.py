"""Amazon Translate's TranslateText, with a visible fake translation: `[es] …`, and whole phrases where it knows them.

boto3 speaks rpc-v2-cbor to Translate (`POST /service/…/operation/TranslateText`); older clients speak JSON 1.1
(`POST /` with X-Amz-Target). Both are answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from deploy.vendors import cbor
from deploy.vendors.aws import AwsError, json_error, new_id, outage, read_signed
from deploy.vendors.core import Core, retry_after, through_modes

TARGET = "AWSShineFrontendService_20170701"
_LONGEST_TEXT_BYTES = 10_000
_WORDS = {429: ("ThrottlingException", "Rate exceeded"), 500: ("InternalServerException", "Internal error")}
_CODES = (
    "af sq am ar hy az bn bs bg ca zh zh-TW hr cs da fa-AF nl en et fa tl fi fr fr-CA ka de el gu ha he hi hu is id ga "
    "it ja kn kk ko lv lt mk ms ml mt mr mn no ps pl pt pt-PT pa ro ru sr si sk sl so es es-MX sw sv ta te th tr uk ur "
    "uz vi cy ht"
)
LANGUAGES = frozenset(_CODES.split())
"""Every language code that Amazon Translate takes."""
_PHRASES = {
    "es": {
        "school is closed today.": "La escuela está cerrada hoy.",
        "please call the office.": "Por favor llame a la oficina.",
        "your child was absent today.": "Su hijo faltó a clases hoy.",
    },
    "ht": {
        "school is closed today.": "Lekòl la fèmen jodi a.",
        "please call the office.": "Tanpri rele biwo a.",
        "your child was absent today.": "Pitit ou te absan jodi a.",
    },
    "pt": {
        "school is closed today.": "A escola está fechada hoje.",
        "please call the office.": "Ligue para a secretaria.",
    },
    "fr": {
        "school is closed today.": "L'école est fermée aujourd'hui.",
        "please call the office.": "Appelez le bureau.",
    },
}
_MARKS = {
    "es": ("¿", " el ", " la ", " que "),
    "ht": (" yo ", " pou ", " nan "),
    "pt": ("ção", " não "),
    "fr": (" le ", " est "),
}


@dataclass(frozen=True)
class _Wire:
    """One of the two protocols: how to read a request, and how to word an answer and an error."""

    read: Callable[[bytes], Any]
    answer: Callable[[dict[str, Any]], web.Response]
    error: Callable[[AwsError, float | None], web.Response]


def _cbor_response(members: dict[str, Any], status: int = 200, **headers: str) -> web.Response:
    sent = {
        "smithy-protocol": "rpc-v2-cbor",
        "Content-Type": "application/cbor",
        "x-amzn-RequestId": new_id(),
        **headers,
    }
    return web.Response(body=cbor.dumps(members), status=status, headers=sent)


def _cbor_error(error: AwsError, retry_after_seconds: float | None = None) -> web.Response:
    members = {"__type": f"com.amazonaws.translate#{error.code}", "Message": error.message, "message": error.message}
    return _cbor_response({**members, **error.members}, error.status, **retry_after(retry_after_seconds))


def _json_answer(members: dict[str, Any]) -> web.Response:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": new_id()}
    return web.Response(body=json.dumps(members).encode(), headers=headers)


_CBOR = _Wire(cbor.loads, _cbor_response, _cbor_error)
_JSON = _Wire(json.loads, _json_answer, json_error)


class Translate:
    """The one operation that the product uses."""

    def __init__(self, core: Core) -> None:
        """Nothing to remember."""
        self._core = core

    def routes(self) -> list[web.RouteDef]:
        """The address that boto3 calls."""
        return [web.post(f"/service/{TARGET}/operation/{{operation}}", self._by_cbor)]

    async def _by_cbor(self, request: web.Request) -> web.StreamResponse:
        return await self._post(request, request.match_info["operation"], _CBOR)

    async def by_json(self, request: web.Request) -> web.StreamResponse:
        """Answer `POST /` with X-Amz-Target."""
        return await self._post(request, request.headers["X-Amz-Target"].rpartition(".")[2], _JSON)

    async def _post(self, request: web.Request, operation: str, wire: _Wire) -> web.StreamResponse:
        try:
            body = await read_signed(self._core, request, "translate")
        except AwsError as error:
            return wire.error(error, None)

        async def handle() -> web.Response:
            try:
                return wire.answer(translate(operation, _fields(wire, body)))
            except AwsError as error:
                return wire.error(error, None)

        answer = _as_bad_request(outage(_WORDS, wire.error))
        return await through_modes(self._core, "translate", request, answer, handle)


def _as_bad_request(answer: Callable[[int, float | None], web.Response]) -> Callable[[int, float | None], web.Response]:
    """AWS throttles Translate with status 400, not 429; the SDK goes by the name of the error."""

    def worded(status: int, retry_after_seconds: float | None) -> web.Response:
        response = answer(status, retry_after_seconds)
        if status == 429:
            response.set_status(400)
        return response

    return worded


def _fields(wire: _Wire, body: bytes) -> dict[str, Any]:
    try:
        fields = wire.read(body)
    except (ValueError, UnicodeDecodeError) as error:
        raise AwsError("SerializationException", "The request body cannot be read") from error
    if not isinstance(fields, dict):
        raise AwsError("SerializationException", "The request body is not an object")
    return fields


def translate(operation: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Answer TranslateText.

    Raises AwsError UnknownOperationException, InvalidRequestException, TextSizeLimitExceededException or
    UnsupportedLanguagePairException.
    """
    if operation != "TranslateText":
        raise AwsError("UnknownOperationException", operation)
    text, source, target = (fields.get(key) for key in ("Text", "SourceLanguageCode", "TargetLanguageCode"))
    if not isinstance(text, str) or not text or not isinstance(source, str) or not isinstance(target, str):
        raise AwsError("InvalidRequestException", "Text, SourceLanguageCode and TargetLanguageCode are required")
    if len(text.encode()) > _LONGEST_TEXT_BYTES:
        limit = f"Input text size exceeds limit. Max length of request text allowed is {_LONGEST_TEXT_BYTES} bytes"
        raise AwsError("TextSizeLimitExceededException", limit)
    source = detect(text) if source == "auto" else source
    if source not in LANGUAGES or target not in LANGUAGES:
        message = f"Unsupported language pair: {source} to {target}."
        pair = {"SourceLanguageCode": source, "TargetLanguageCode": target}
        raise AwsError("UnsupportedLanguagePairException", message, members=pair)
    return {
        "TranslatedText": text if source == target else fake_translation(text, target),
        "SourceLanguageCode": source,
        "TargetLanguageCode": target,
        "AppliedTerminologies": [],
    }


def fake_translation(text: str, target: str) -> str:
    """A known phrase in the language, else the text behind the language's tag; placeholders and lines stay."""
    known = _PHRASES.get(target.partition("-")[0], {}).get(text.strip().lower())
    return known or f"[{target}] {text}"


def detect(text: str) -> str:
    """A guess of the language good enough for a simulator: a few telling letters and words, else English."""
    padded = f" {text.lower()} "
    scores = {language: sum(mark in padded for mark in marks) for language, marks in _MARKS.items()}
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] >= 2 else "en"
