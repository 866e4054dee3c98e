"""Proto to our words and back, for the history import of rpc.py."""

from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.queue.actions.history import Imported
from services.queue.past_records import PastMessage, PastOutcome
from services.queue.words import STATE_NAMES, addressee, channel_name, draft, moment


def past_message(message: pb.HistoryMessage) -> PastMessage:
    """Return a piece of a history import."""
    has_verdict = message.HasField("verdict")
    return PastMessage(
        draft=draft(message.header),
        sent_at=moment(message.sent_at),
        recipients=[
            (addressee(each.row), [_past_outcome(outcome) for outcome in each.outcomes]) for each in message.recipients
        ],
        verdict=message.verdict.SerializeToString() if has_verdict else None,
        is_withheld=has_verdict and message.verdict.decision == types.Verdict.DECISION_HOLD,
    )


def _past_outcome(outcome: pb.HistoryOutcome) -> PastOutcome:
    state = STATE_NAMES.get(outcome.state)
    name = channel_name(outcome.channel)
    return PastOutcome(name, state, outcome.error_code, moment(outcome.at), outcome.destination)


def import_result(result: Imported) -> pb.ImportHistoryResponse:
    """Return what an import came to."""
    return pb.ImportHistoryResponse(
        imported=result.imported,
        repeated_messages=result.repeated,
        problems=[
            pb.HistoryProblem(position=position, idempotency_key=key, detail=detail)
            for position, key, detail in result.problems
        ],
    )
