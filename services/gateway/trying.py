"""Trying a policy on the last 30 days, its phrases too: moderation judges, and the queue has what students wrote.

The texts go from one to the other through here, in the gateway's own name for the schools that the person sees; nobody
is shown them, and nothing is kept of them.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import grpc

from protos.moderation.v1 import moderation_pb2 as pb
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway import policies
from services.gateway.clients import Clients
from services.gateway.state import gateway, person
from services.kit.logs import get_logger
from services.kit.rpc_errors import from_grpc, translated

TRY_SECONDS = 25.0
_PAGE_SECONDS = 3.0
_DAYS = 30
_log = get_logger(__name__)


def try_policy(base: pb.Policy, wanted: pb.Policy) -> pb.TryPolicyResponse:
    """Return what a policy would have done that was made of another one. Raises ServiceErrors of moderation.

    No phrase is tried where none comes or goes, nor when the queue does not answer: `tried` is 0 then.
    """
    moderation, asked = gateway().clients.moderation, pb.PreviewPolicyRequest(policy=wanted, days=_DAYS)
    with translated():
        if policies.has_same_phrases(base, wanted):
            return pb.TryPolicyResponse(preview=moderation.PreviewPolicy(asked, timeout=TRY_SECONDS))
        answer: pb.TryPolicyResponse = moderation.TryPolicy(_pieces(asked), timeout=TRY_SECONDS)
    return answer


def _pieces(asked: pb.PreviewPolicyRequest) -> Iterator[pb.TryPolicyRequest]:
    # What is sent is made in a thread of gRPC's, which knows of no request.
    texts = queue.ListWrittenTextsRequest(school_ids=sorted(person().visible_schools))
    texts.since.FromDatetime(gateway().clock() - timedelta(days=asked.days))
    return _sent(gateway().clients, asked, texts)


def _sent(
    clients: Clients, asked: pb.PreviewPolicyRequest, texts: queue.ListWrittenTextsRequest
) -> Iterator[pb.TryPolicyRequest]:
    """Yield what to try, then texts page by page, until moderation has enough or the queue does not answer."""
    yield pb.TryPolicyRequest(asked=asked)
    while page := _page(clients, texts):
        yield pb.TryPolicyRequest(messages=page)
        texts.after_message_id = page[-1].message_id


def _page(clients: Clients, texts: queue.ListWrittenTextsRequest) -> Sequence[types.WrittenTexts]:
    try:
        answer = clients.queue.ListWrittenTexts(texts, metadata=clients.as_gateway, timeout=_PAGE_SECONDS)
    except grpc.RpcError as problem:
        _log.warning("written_texts_unavailable", reason=from_grpc(problem).reason)
        return []
    messages: Sequence[types.WrittenTexts] = answer.messages
    return messages
