"""ModerationService: proto to action to proto."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from typing import Any

from protos.events.v1 import queue_pb2 as requests
from protos.moderation.v1 import moderation_pb2 as pb
from protos.moderation.v1 import moderation_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.auth import current_caller
from services.kit.db import transaction
from services.kit.errors import InvalidArgument, PermissionDenied, ResourceExhausted
from services.kit.ids import check_id, new_id
from services.kit.rpc_calls import seconds_left
from services.moderation import messages, store
from services.moderation.actions import Screening
from services.moderation.at_once import all_of
from services.moderation.deciding import screen_now
from services.moderation.domain import Policy, check_policy
from services.moderation.policies import Author, check_new_phrases
from services.moderation.precedence import OTHERS_AT_ONCE
from services.moderation.previewing import preview_policy
from services.moderation.trying import Trial

_MOST_ITEMS = 200
_LONGEST_EVENT_ID = 100
_LENGTHS = {"item_id": (1, 200), "text": (1, 25_000), "language": (0, 35), "school_id": (0, 100), "grade": (0, 20)}
_MOST_BYTES = 1024 * 1024
"""Of all texts of a request; what gRPC itself refuses, without a reason, is four times as large."""
_ITEMS_AT_ONCE = 400
_LONGEST_WAIT_SECONDS = 2.0
_DAYS = 30
_MOST_DAYS = 90
_LONGEST_TRIAL_SECONDS = 12.0
_MOST_TEXTS = 100
"""Messages of a piece of TryPolicy."""


class ModerationServicer(moderation_pb2_grpc.ModerationServiceServicer):
    """Answers ModerationService."""

    def __init__(self, screening: Screening) -> None:
        """Take what screens the queue's requests: the judge, the policies and the database are the same."""
        self._engine, self._judge, self._policies = screening.engine, screening.judge, screening.policies
        self._clock, self._precedence = screening.clock, screening.precedence
        self._at_work = 0

    async def Screen(self, request: pb.ScreenRequest, context: Any) -> pb.ScreenResponse:
        """See the proto."""
        _check_items(request.items)
        # All items share the vendor's time: each with half of what is left would leave nothing to the last ones.
        until, answer = _vendors_end(), pb.ScreenResponse()
        async with self._room(len(request.items)):
            for first in range(0, len(request.items), OTHERS_AT_ONCE):
                together = request.items[first : first + OTHERS_AT_ONCE]
                answer.verdicts.extend(await all_of(self._screen(item, until) for item in together))
        return answer

    async def ScreenStream(
        self, request_iterator: AsyncIterable[pb.ScreenStreamRequest], context: Any
    ) -> AsyncIterator[pb.ScreenStreamResponse]:
        """See the proto. The next item is read when the last one is answered: the caller waits, nothing piles up."""
        async for request in request_iterator:
            _check(request.item, "/item")
            async with self._room(1):
                verdict = await self._screen(request.item, _vendors_end())
            yield pb.ScreenStreamResponse(verdict=verdict)

    async def ListVerdicts(self, request: pb.ListVerdictsRequest, context: Any) -> pb.ListVerdictsResponse:
        """See the proto."""
        check_id("message_id", request.message_id)
        async with transaction(self._engine) as connection:
            rows = await store.verdicts_of(connection, request.message_id)
            said = await store.opinions_of(connection, request.message_id)
        return pb.ListVerdictsResponse(
            verdicts=[messages.verdict_message(row) for row in rows],
            opinions=[messages.opinion_message(row) for row in said],
        )

    async def RecordOpinion(self, request: pb.RecordOpinionRequest, context: Any) -> pb.RecordOpinionResponse:
        """See the proto. Nothing here, nor in the queue, acts on it: people of the district decide."""
        if current_caller().viewer:
            raise PermissionDenied("SERVICE_REQUIRED", "This is answered only to a service.")
        opinion = request.opinion
        check_id("opinion/message_id", opinion.message_id)
        if not 0 < len(request.event_id) <= _LONGEST_EVENT_ID or "\x00" in request.event_id:
            wrong = [("/event_id", f"An event's id has 1 to {_LONGEST_EVENT_ID} characters.")]
            raise InvalidArgument("OPINION_INVALID", "The opinion is not valid.", violations=wrong)
        if opinion.kind not in messages.OPINIONS:
            wrong = [("/opinion/kind", "Say what the reviewer thought.")]
            raise InvalidArgument("OPINION_INVALID", "The opinion is not valid.", violations=wrong)
        said_at = opinion.said_at.ToDatetime(tzinfo=UTC)
        row = {"event_id": request.event_id, "message_id": opinion.message_id, "said_at": said_at}
        async with transaction(self._engine) as connection:
            is_new = await store.add_opinion(connection, {**row, "kind": messages.OPINIONS[opinion.kind]})
        return pb.RecordOpinionResponse(is_new=is_new)

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> pb.GetPolicyResponse:
        """See the proto."""
        return pb.GetPolicyResponse(policy=await self._policies.get(request.version))

    async def UpdatePolicy(self, request: pb.UpdatePolicyRequest, context: Any) -> pb.UpdatePolicyResponse:
        """See the proto."""
        author = _author()
        policy = messages.policy_from_message(request.policy)
        return pb.UpdatePolicyResponse(policy=await self._policies.update(policy, author, request.note))

    async def ListPolicyVersions(
        self, request: pb.ListPolicyVersionsRequest, context: Any
    ) -> pb.ListPolicyVersionsResponse:
        """See the proto."""
        return pb.ListPolicyVersionsResponse(versions=await self._policies.versions(request.before))

    async def PreviewPolicy(self, request: pb.PreviewPolicyRequest, context: Any) -> pb.PreviewPolicyResponse:
        """See the proto."""
        return messages.preview_message(await preview_policy(self._engine, *await self._to_try(request)))

    async def TryPolicy(
        self, request_iterator: AsyncIterator[pb.TryPolicyRequest], context: Any
    ) -> pb.TryPolicyResponse:
        """See the proto."""
        pieces = aiter(request_iterator)
        first = await anext(pieces, pb.TryPolicyRequest())
        current, wanted, past = await self._to_try(first.asked)
        trial = Trial(current, wanted, self._judge, self._precedence, _trial_seconds())
        read = trial.read(self._engine, past, _pages(pieces))
        preview = await preview_policy(self._engine, current, wanted, past, read)
        return pb.TryPolicyResponse(
            preview=messages.preview_message(preview),
            tried=preview.tried,
            with_allowed=trial.with_allowed,
            judged_again=trial.judged_again,
        )

    async def _to_try(self, request: pb.PreviewPolicyRequest) -> tuple[Policy, Policy, store.Past]:
        """Return the policy in force, the one to try, and what to try it on."""
        schools = _author().schools
        if not 0 <= request.days <= _MOST_DAYS:
            wrong = [("/days", f"Name 1 to {_MOST_DAYS} days.")]
            raise InvalidArgument("POLICY_INVALID", "A policy is tried on some days.", violations=wrong)
        wanted, in_force = check_policy(messages.policy_from_message(request.policy)), await self._policies.in_force()
        check_new_phrases(in_force, wanted)
        return in_force, wanted, store.Past(self._clock() - timedelta(days=request.days or _DAYS), schools)

    async def GetBacklog(self, request: pb.GetBacklogRequest, context: Any) -> pb.GetBacklogResponse:
        """See the proto."""
        async with transaction(self._engine) as connection:
            waiting, since = await store.backlog(connection)
        oldest = (self._clock() - since).total_seconds() if since else 0.0
        return pb.GetBacklogResponse(
            waiting=waiting, oldest_seconds=oldest, is_provider_available=self._judge.is_available
        )

    async def _screen(self, item: pb.ScreenItem, until: float | None) -> types.Verdict:
        request = requests.ScreeningRequested(
            # The vendor gets this one: the caller's own may name people, and a digest of it could be guessed.
            message_id=new_id(),
            texts=[item.text],
            school_id=item.school_id,
            grade=item.grade,
            language=item.language,
        )
        left = seconds_left()
        # Half of the caller's time is for being judged, or for being told that nobody can.
        wait = _LONGEST_WAIT_SECONDS if left is None else min(_LONGEST_WAIT_SECONDS, left / 2)
        async with self._precedence.of_others(wait):
            policy = await self._policies.in_force()
            seconds = None if until is None else until - time.monotonic()
            verdict = await screen_now(self._judge, policy, request, self._clock(), seconds)
        verdict.message_id = item.item_id
        return verdict

    @asynccontextmanager
    async def _room(self, items: int) -> AsyncIterator[None]:
        if self._at_work + items > _ITEMS_AT_ONCE:
            raise ResourceExhausted("SCREENING_BUSY", "Screening is busy; try again.", retry_after_seconds=1)
        self._at_work += items
        try:
            yield
        finally:
            self._at_work -= items


def _vendors_end() -> float | None:
    """Return until when the vendor may judge: for half of what is left of the call; None where it has no end."""
    left = seconds_left()
    return None if left is None else time.monotonic() + left / 2


def _trial_seconds() -> float:
    """Return how long texts may be read: for half of what is left of the call; the other half is for the scores."""
    left = seconds_left()
    return _LONGEST_TRIAL_SECONDS if left is None else min(_LONGEST_TRIAL_SECONDS, left / 2)


async def _pages(pieces: AsyncIterator[pb.TryPolicyRequest]) -> AsyncIterator[Sequence[types.WrittenTexts]]:
    async for piece in pieces:
        if len(piece.messages) > _MOST_TEXTS:
            wrong = [("/messages", f"At most {_MOST_TEXTS} are allowed.")]
            raise InvalidArgument("TOO_MANY", "A piece has too many messages.", violations=wrong)
        for each in piece.messages:
            check_id("messages/message_id", each.message_id)
        yield piece.messages


def _author() -> Author:
    """Return who asks for a change of the policy. PermissionDenied for a person without the permission."""
    caller = current_caller()
    viewer = caller.viewer
    if viewer and "manage_policy" not in viewer.permissions:
        raise PermissionDenied("PERMISSION_MISSING", "Your profile does not include manage_policy.")
    return Author(caller.subject, caller.name, viewer.schools if viewer else frozenset({"*"}))


def _check_items(items: Sequence[pb.ScreenItem]) -> None:
    if not 1 <= len(items) <= _MOST_ITEMS:
        raise InvalidArgument("TOO_MANY", violations=[("/items", f"Send 1 to {_MOST_ITEMS} items.")])
    if sum(len(item.text.encode()) for item in items) > _MOST_BYTES:
        wrong = [("/items", f"The texts of a request have at most {_MOST_BYTES:,} bytes together.")]
        raise InvalidArgument("ITEMS_TOO_LARGE", "Send the items in several requests.", violations=wrong)
    for place, item in enumerate(items):
        _check(item, f"/items/{place}")


def _check(item: pb.ScreenItem, pointer: str) -> None:
    wrong = []
    for name, (least, most) in _LENGTHS.items():
        if not least <= len(getattr(item, name)) <= most:
            wrong.append((f"{pointer}/{name}", f"This has {least} to {most:,} characters."))
    if wrong:
        raise InvalidArgument("ITEM_INVALID", "An item is not valid.", violations=wrong)
