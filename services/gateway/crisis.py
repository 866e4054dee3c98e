"""The crisis notice: what a student reads whose message was withheld for self-harm, where the district has written one.

Everything else about a withheld message looks sent to its sender (statement 176), so nothing here says that it was not.
"""

from protos.moderation.v1 import moderation_pb2 as moderation
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Person
from services.gateway.state import gateway
from services.kit.errors import ServiceError
from services.kit.logs import get_logger
from services.kit.rpc_errors import translated

_log = get_logger(__name__)
_SECONDS = 2.0
_SELF_HARM = {types.CATEGORY_SELF_HARM, types.CATEGORY_SELF_HARM_INTENT, types.CATEGORY_SELF_HARM_DIRECTION}


def notice(item: queue.InboxItem, someone: Person) -> str:
    """Return what a student reads beside a message that they sent; empty for nothing.

    Empty also when moderation does not answer: the page must not fail for it.
    """
    if someone.role != "student" or not someone.has_threats or item.sender_id != someone.person_id:
        return ""
    clients = gateway().clients
    known = {"timeout": _SECONDS, "metadata": clients.as_gateway}
    try:
        with translated():
            text: str = clients.moderation.GetPolicy(moderation.GetPolicyRequest(), **known).policy.crisis_notice
            if not text:
                return ""
            wanted = moderation.ListVerdictsRequest(message_id=item.message_id)
            verdicts = clients.moderation.ListVerdicts(wanted, **known).verdicts
    except ServiceError as problem:
        _log.warning("crisis_notice_unknown", reason=problem.reason)
        return ""
    return text if any(_holds_for_self_harm(each) for each in verdicts) else ""


def _holds_for_self_harm(verdict: types.Verdict) -> bool:
    is_held = verdict.decision == types.Verdict.DECISION_HOLD
    return is_held and any(each.holds and each.category in _SELF_HARM for each in verdict.scores)
