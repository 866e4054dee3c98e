"""Today's messages of the sample district, sent through the whole pipeline, and what became of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from deploy.local.district.history.wire import Ids
from protos.directory.v1 import directory_pb2
from protos.queue.v1 import queue_pb2
from protos.types.v1 import types_pb2 as types

_SETTLED_SECONDS = 90.0
_SENDING_SECONDS = 60.0
_ROWS = 1000


class Today:
    """Sends the messages one after the other, then waits until screening has judged each."""

    def __init__(self, directory: Any, queue: Any, ids: Ids, messages: Sequence[Mapping[str, Any]]) -> None:
        """Take stubs whose token may submit for any sender, and the messages of today.json."""
        self._directory, self._queue, self._ids, self._messages = directory, queue, ids, messages
        self._titles: dict[str, str] = {}

    async def send(self) -> dict[str, int]:
        """Return how many messages and deliveries were sent, screened and withheld."""
        listed = await self._directory.ListSchools(directory_pb2.ListSchoolsRequest())
        self._titles = {school.school_id: school.title for school in listed.schools}
        sent = [await self._submit(each) for each in self._messages]
        screened = [each.message_id for each in sent if each.is_held]
        withheld = 0
        async with asyncio.timeout(_SETTLED_SECONDS):
            for message_id in screened:
                withheld += await self._is_withheld(message_id)
        deliveries = sum(entry.counts.total for each in sent for entry in each.entries)
        return {"messages": len(sent), "deliveries": deliveries, "screened": len(screened), "withheld": withheld}

    async def _submit(self, message: Mapping[str, Any]) -> queue_pb2.SubmitResponse:
        viewer = await self._directory.GetViewer(
            directory_pb2.GetViewerRequest(person_id=self._ids.people[message["sender"]["sourced_id"]])
        )
        header = self._header(message, viewer.viewer)

        async def pieces() -> AsyncIterator[queue_pb2.SubmitRequest]:
            yield queue_pb2.SubmitRequest(header=header)
            rows = [
                queue_pb2.RecipientRow(recipient=recipient, type=types.RECIPIENT_TYPE_DIRECTORY)
                async for recipient in self._recipients(message, header.sender.school_id)
            ]
            for start in range(0, len(rows), _ROWS):
                yield queue_pb2.SubmitRequest(recipients=queue_pb2.RecipientRows(rows=rows[start : start + _ROWS]))

        return await self._queue.Submit(pieces(), timeout=_SENDING_SECONDS)  # type: ignore[no-any-return]

    def _header(self, message: Mapping[str, Any], viewer: directory_pb2.Viewer) -> queue_pb2.MessageHeader:
        person = viewer.person
        school_id = person.school_ids[0] if message["working_school"] and person.school_ids else ""
        return queue_pb2.MessageHeader(
            idempotency_key=f"today/{message['key']}",
            sender=queue_pb2.Sender(
                person_id=person.person_id, name=person.name, role=person.role, school_id=school_id, grade=person.grade
            ),
            subject=message["subject"],
            body=message["body"],
            channels=[
                queue_pb2.ChannelContent(
                    channel=types.Channel.Value(f"CHANNEL_{each['channel'].upper()}"), text=each["text"]
                )
                for each in message["channels"]
            ],
            source=types.SOURCE_DISTRICT if message["source"] == "district" else types.SOURCE_SCHOOL,
            is_secure=message["is_secure"],
            once_per_family=message["once_per_family"],
            audience_summary=message["audience_summary"],
            language=message["language"],
            from_title=self._titles.get(school_id, ""),
        )

    async def _recipients(self, message: Mapping[str, Any], school_id: str) -> AsyncIterator[directory_pb2.Recipient]:
        wanted = message["audience"]
        audience = directory_pb2.Audience(
            school_ids=[self._ids.schools[each] for each in wanted["school_ids"]],
            grades=wanted["grades"],
            roles=[types.Role.Value(f"ROLE_{each.upper()}") for each in wanted["roles"]],
            person_ids=[self._ids.people[each] for each in wanted["person_ids"]],
            student_ids=[self._ids.people[each] for each in wanted["student_ids"]],
            working_school_id=school_id,
        )
        request = directory_pb2.ResolveAudienceRequest(audience=audience)
        async for piece in self._directory.ResolveAudience(request, timeout=_SENDING_SECONDS):
            for recipient in piece.recipients:
                yield recipient

    async def _is_withheld(self, message_id: str) -> bool:
        """Wait for the verdict of a student's message; return whether it was withheld."""
        while True:
            message = await self._queue.GetMessage(queue_pb2.GetMessageRequest(message_id=message_id))
            if message.is_withheld:
                return True
            if not any(entry.counts.held for entry in message.entries):
                return False
            await asyncio.sleep(0.2)
