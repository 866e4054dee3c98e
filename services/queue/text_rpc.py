"""What students wrote, in QueueService: for services alone, a page at a time."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import current_caller
from services.kit.errors import InvalidArgument, PermissionDenied
from services.kit.ids import check_id
from services.queue import words
from services.queue.actions.written import Asked, page_of

_MOST_SCHOOLS = 1_000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class WrittenTexts:
    """The part of QueueService that gives what students wrote to what tries the policy's phrases on it."""

    _engine: AsyncEngine

    async def ListWrittenTexts(self, request: pb.ListWrittenTextsRequest, context: Any) -> pb.ListWrittenTextsResponse:
        """Answer the newest messages of a time, or those after one."""
        if current_caller().viewer:
            raise PermissionDenied("SERVICE_REQUIRED", "This is answered only to a service.")
        if len(request.school_ids) > _MOST_SCHOOLS:
            wrong = [("/school_ids", f"At most {_MOST_SCHOOLS:,} are allowed.")]
            raise InvalidArgument("TOO_MANY", "Too many schools are named.", violations=wrong)
        after = check_id("after_message_id", request.after_message_id) if request.after_message_id else ""
        asked = Asked(words.moment(request.since) or _BEGINNING, tuple(request.school_ids), after)
        return pb.ListWrittenTextsResponse(
            messages=[
                types.WrittenTexts(message_id=each.message_id, texts=each.texts, language=each.language)
                for each in await page_of(self._engine, asked)
            ]
        )
