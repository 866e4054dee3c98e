"""Texts by Amazon Translate's TranslateText, through boto3.

It takes 10,000 bytes a call, leaves what HTML marks with translate="no" as it is, and trims what it answers; so texts
go in pieces, placeholders are marked, and the white space around a piece stays here.
"""

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from services.queue import translating
from services.queue.providers.aws import AwsClient, AwsSettings

_FOR_GOOD = frozenset(
    {
        "UnsupportedLanguagePairException",
        "InvalidRequestException",
        "InvalidParameterValueException",
        "TextSizeLimitExceededException",
        "ValidationException",
    }
)
"""Codes of what Amazon Translate will not do however often it is asked. All others pass, or somebody mends them."""
LOST = "PLACEHOLDER_LOST"
_REMEMBERED = 200
"""Texts that are not asked about again."""


class Rendered(NamedTuple):
    """What came of translating one text."""

    text: str = ""
    code: str = ""
    """Why there is no text; empty when there is."""
    is_refused: bool = False
    """Asking again changes nothing."""


class AmazonTranslate:
    """The adapter. It never asks again by itself."""

    name = "amazon_translate"

    def __init__(self, settings: AwsSettings) -> None:
        """Nothing is connected yet."""
        self._aws = AwsClient("translate", settings)
        self._places = asyncio.Semaphore(settings.concurrency)
        self._known: OrderedDict[tuple[str, str, str], Rendered] = OrderedDict()

    async def translate(self, text: str, source: str, target: str) -> Rendered:
        """Return a text in another language; the codes are Amazon Translate's.

        What it said lately it says again: a message of several texts that failed in part is tried as a whole, and a
        preview is looked at more than once.
        """
        key = (text, source, target)
        found = self._known.get(key) or await self._asked(text, source, target)
        if found.text:
            self._known[key] = found
            self._known.move_to_end(key)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found

    async def _asked(self, text: str, source: str, target: str) -> Rendered:
        parts = translating.pieces(text)
        is_guarded = translating.has_placeholders(text)
        found = await asyncio.gather(*(self._piece(each, source, target, is_guarded=is_guarded) for each in parts))
        failed = next((each for each in found if each.code), None)
        if failed:
            return failed
        whole = "".join(each.text for each in found)
        return Rendered(whole) if translating.keeps_placeholders(text, whole) else Rendered(code=LOST, is_refused=True)

    async def _piece(self, piece: str, source: str, target: str, *, is_guarded: bool) -> Rendered:
        said = piece.strip()
        if not said:
            return Rendered(piece)
        before, after = piece[: piece.index(said)], piece[piece.index(said) + len(said) :]
        wire = translating.guarded(said) if is_guarded else said
        try:
            async with self._places:
                answer = await self._aws.call(
                    self._aws.client.translate_text, Text=wire, SourceLanguageCode=source, TargetLanguageCode=target
                )
        except ClientError as problem:
            code = str(problem.response.get("Error", {}).get("Code", ""))
            return Rendered(code=code or "UNKNOWN", is_refused=code in _FOR_GOOD)
        except BotoCoreError as problem:
            return Rendered(code=type(problem).__name__)
        translation = str(answer["TranslatedText"])
        return Rendered(f"{before}{translating.unguarded(translation) if is_guarded else translation}{after}")

    async def close(self) -> None:
        """End the connections."""
        await self._aws.close()
