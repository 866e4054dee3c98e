"""Today's messages of the sample district, sent through the whole pipeline, and what became of them."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from deploy.local import answers
from deploy.local.district.build import today_in_district
from deploy.local.district.history.wire import Ids
from protos.directory.v1 import directory_pb2
from protos.notify.v1 import notify_pb2
from protos.notify.v1.notify_pb2_grpc import NotifyServiceStub
from protos.queue.v1 import queue_pb2
from protos.types.v1 import types_pb2 as types
from services.kit.rpc_client import async_channel

_SETTLED_SECONDS = 90.0
_STAFF = frozenset({types.ROLE_TEACHER, types.ROLE_ADMIN})
_SENDING_SECONDS = 60.0


class Today:
    """Sends the messages one after the other, then waits until screening has judged each."""

    def __init__(
        self, directory: Any, queue: Any, surveys: Any, ids: Ids, messages: Sequence[Mapping[str, Any]]
    ) -> None:
        """Take stubs whose token may submit and answer for anybody, and the messages of today.json."""
        self._surveys = surveys
        self._directory, self._queue, self._ids, self._messages = directory, queue, ids, messages
        self._titles: dict[str, str] = {}

    async def send(self) -> dict[str, int]:
        """Return how many messages and deliveries were sent, screened and withheld, and how many alerts it raised."""
        listed = await self._directory.ListSchools(directory_pb2.ListSchoolsRequest())
        self._titles = {school.school_id: school.title for school in listed.schools}
        sent = [await self._submit(each) for each in self._messages]
        for message, answer in zip(self._messages, sent, strict=True):
            await answers.answer(self._surveys, message, answer)
        screened = [each.message_id for each in sent if each.is_held]
        async with asyncio.timeout(_SETTLED_SECONDS):
            withheld = [each for each in screened if await self._is_withheld(each)]
            alerts = await _count_alerts(withheld)
        deliveries = sum(entry.counts.total for each in sent for entry in each.entries)
        return {
            "messages": len(sent),
            "deliveries": deliveries,
            "screened": len(screened),
            "withheld": len(withheld),
            "alerts": alerts,
        }

    async def _submit(self, message: Mapping[str, Any]) -> queue_pb2.SubmitResponse:
        viewer = await self._directory.GetViewer(
            directory_pb2.GetViewerRequest(person_id=self._ids.people[message["sender"]["sourced_id"]])
        )
        header = self._header(message, viewer.viewer)

        async def pieces() -> AsyncIterator[queue_pb2.SubmitRequest]:
            yield queue_pb2.SubmitRequest(header=header)
            async for each in self._recipients(message, header.sender.school_id):
                yield queue_pb2.SubmitRequest(recipients=each)

        return await self._queue.Submit(pieces(), timeout=_SENDING_SECONDS)  # type: ignore[no-any-return]

    def _header(self, message: Mapping[str, Any], viewer: directory_pb2.Viewer) -> queue_pb2.MessageHeader:
        person = viewer.person
        school_id = person.school_ids[0] if message["working_school"] and person.school_ids else ""
        return queue_pb2.MessageHeader(
            # What asks closes some days from today: on another day it is another message.
            idempotency_key=f"today/{message['key']}" + (f"/{today_in_district()}" if "survey" in message else ""),
            sender=queue_pb2.Sender(
                person_id=person.person_id, name=person.name, role=person.role, school_id=school_id, grade=person.grade
            ),
            subject=message["subject"],
            body=message["body"],
            channels=[
                queue_pb2.ChannelContent(
                    channel=types.Channel.Value(f"CHANNEL_{each['channel'].upper()}"),
                    text=each["text"],
                    survey=answers.survey_of(message),
                )
                for each in message["channels"]
            ],
            source=types.SOURCE_DISTRICT if message["source"] == "district" else types.SOURCE_SCHOOL,
            is_secure=message["is_secure"],
            once_per_family=message["once_per_family"],
            audience_summary=message["audience_summary"],
            language=message["language"],
            from_title=self._titles.get(school_id, "") if person.role in _STAFF else person.name,
        )

    async def _recipients(self, message: Mapping[str, Any], school_id: str) -> AsyncIterator[queue_pb2.Recipients]:
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
            yield queue_pb2.Recipients(columns=piece.recipients, type=types.RECIPIENT_TYPE_DIRECTORY)

    async def _is_withheld(self, message_id: str) -> bool:
        """Wait for the verdict of a student's message; return whether it was withheld."""
        while True:
            message = await self._queue.GetMessage(queue_pb2.GetMessageRequest(message_id=message_id))
            if message.is_withheld:
                return True
            if not any(entry.counts.held for entry in message.entries):
                return False
            await asyncio.sleep(0.2)


async def _count_alerts(withheld: Sequence[str]) -> int:
    """Wait until somebody is told of each withheld message; return how many portal alerts were raised."""
    channel = async_channel(
        os.environ["NOTIFY_ADDRESS"], [notify_pb2.DESCRIPTOR.services_by_name["NotifyService"]], _token
    )
    raised = 0
    async with channel:
        notify: Any = NotifyServiceStub(channel)
        for message_id in withheld:
            while True:
                request = notify_pb2.ListRecipientsRequest(message_id=message_id)
                told = (await notify.ListRecipients(request)).told
                if told:
                    break
                await asyncio.sleep(0.2)
            raised += sum(each.way == "portal" for each in told)
    return raised


def _token() -> str:
    """Return the operator's token, which may ask whatever a service may."""
    return os.environ["SERVICE_TOKEN"]
