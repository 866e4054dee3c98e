"""Amazon Translate's TranslateText, with a visible fake translation: `[es] …`, and whole phrases where it knows them.

boto3 speaks JSON 1.1 to Translate: `POST /` with X-Amz-Target. (The service model also names rpc-v2-cbor, which
botocore ranks last.)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from deploy.vendors.aws import AwsError, json_error, read_signed
from deploy.vendors.aws_json import answer, fields_of, outage_answer
from deploy.vendors.core import Core, through_modes

_LONGEST_TEXT_BYTES = 10_000
_CODES = (
    "af sq am ar hy az bn bs bg ca zh zh-TW hr cs da fa-AF nl en et fa tl fi fr fr-CA ka de el gu ha he hi hu is id ga "
    "it ja kn kk ko lv lt mk ms ml mt mr mn no ps pl pt pt-PT pa ro ru sr si sk sl so es es-MX sw sv ta te th tr uk ur "
    "uz vi cy ht"
)
LANGUAGES = frozenset(_CODES.split())
"""Every language code that Amazon Translate takes."""
_PHRASES: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("phrases.json").read_text(encoding="utf-8"))
"""By language: translations of whole texts, which are in small letters. Some are what the sample district sends."""
_MARKS = {
    "es": ("¿", " el ", " la ", " que "),
    "ht": (" yo ", " pou ", " nan "),
    "pt": ("ção", " não "),
    "fr": (" le ", " est "),
}


class Translate:
    """The one operation that the product uses."""

    def __init__(self, core: Core) -> None:
        """Nothing to remember."""
        self._core = core

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer `POST /` with X-Amz-Target."""
        try:
            body = await read_signed(self._core, request, "translate")
        except AwsError as error:
            return json_error(error)
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]

        async def handle() -> web.Response:
            try:
                return answer(translate(operation, fields_of(body)), "1.1")
            except AwsError as error:
                return json_error(error)

        return await through_modes(self._core, "translate", request, outage_answer, handle)


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
