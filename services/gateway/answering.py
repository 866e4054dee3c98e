"""Polls and sign-ups as their recipients see them: asked for, answered, and read from a form."""

from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from protos.queue.v1 import surveys_pb2 as pb
from services.gateway import throttling
from services.gateway.asking import MOST_QUESTIONS
from services.gateway.searches import whole
from services.gateway.state import gateway
from services.kit.errors import FailedPrecondition, NotFound
from services.kit.rpc_errors import translated

_ANSWERS_BY_LINK = 60
_WRONG_LINKS = 100
_Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Shown:
    """A form with what was filled in, when that was refused."""

    form: pb.SurveyForm
    chosen: list[int]
    wrong: frozenset[int] = frozenset()
    """Positions, from 0, of the questions whose answer is at fault."""
    reason: str = ""
    """Why the answer was refused: the queue's reason."""
    is_saved: bool = False


def inbox(message_id: str, number: int = 0) -> pb.Respondent:
    """Return the signed-in person as a respondent; `number` is one of their deliveries, 0 the first."""
    return pb.Respondent(inbox=pb.InboxPlace(message_id=message_id, number=number))


def show(respondent: pb.Respondent, metadata: _Metadata | None = None) -> pb.SurveyForm:
    """Return what a respondent is asked and has answered. The queue's errors rise."""
    with translated():
        wanted = pb.GetSurveyRequest(respondent=respondent)
        answer: pb.GetSurveyResponse = gateway().clients.surveys.GetSurvey(wanted, metadata=metadata)
    return answer.form


def own(message_id: str) -> pb.GetOwnSurveyResponse:
    """Return what a message that the signed-in person sent asks, and what is chosen so far."""
    with translated():
        wanted = pb.GetOwnSurveyRequest(message_id=message_id)
        found: pb.GetOwnSurveyResponse = gateway().clients.surveys.GetOwnSurvey(wanted)
    return found


def answer(respondent: pb.Respondent, chosen: list[int], metadata: _Metadata | None = None) -> pb.SurveyForm:
    """Give a respondent's whole answer. The queue's errors rise."""
    with translated():
        wanted = pb.AnswerSurveyRequest(respondent=respondent, chosen=chosen)
        taken: pb.AnswerSurveyResponse = gateway().clients.surveys.AnswerSurvey(wanted, metadata=metadata)
    return taken.form


def show_by_link(link: str, address: str) -> pb.SurveyForm:
    """Return what a link asks. NotFound for one that is none; ResourceExhausted after many of those."""
    try:
        return show(pb.Respondent(link=link), gateway().clients.as_gateway)
    except NotFound:
        limits = {throttling.key_of_address("wrong link", address): _WRONG_LINKS}
        throttling.count(gateway().engine, gateway().clock, limits, _TOO_MANY)
        raise


def answer_by_link(link: str, chosen: list[int]) -> pb.SurveyForm:
    """Give the answer of a link; ResourceExhausted after many."""
    limits = {throttling.key_of("answer", link): _ANSWERS_BY_LINK}
    throttling.count(gateway().engine, gateway().clock, limits, _TOO_MANY)
    return answer(pb.Respondent(link=link), chosen, gateway().clients.as_gateway)


_TOO_MANY = ("TOO_MANY_ANSWERS", "Too many tries. Wait some minutes.")


def read_chosen(form: MultiDict[str, str], questions: int, *, is_signup: bool) -> list[int]:
    """Return what a form chooses: fields q1, q2 … with the number of an option, -1 for what is no number.

    A poll's question without a field is not answered. A sign-up's page sends 0 for none, so that an empty form takes
    nobody out of their slot.
    """
    values = [
        form.get(f"q{number}", "" if is_signup else "0") for number in range(1, min(questions, MOST_QUESTIONS) + 1)
    ]
    return [whole(each, -1) for each in values]


def wrong_at(violations: tuple[tuple[str, str], ...]) -> frozenset[int]:
    """Return the positions of the questions that the queue's violations of an answer are about."""
    positions = (pointer.removeprefix("/chosen/") for pointer, _ in violations)
    return frozenset(int(each) for each in positions if each.isdigit())


def all_in_inbox(message_id: str, answered: int = 0, refused: Shown | None = None) -> list[Shown]:
    """Return what a message in the person's inbox asks, once for each of their deliveries; empty when it is gone.

    `answered` is the delivery whose answer was just stored, `refused` the answer that was not.
    """
    try:
        first = show(inbox(message_id))
        others = [show(inbox(message_id, each.number)) for each in first.mine if each.number != first.number]
    except (NotFound, FailedPrecondition):
        return []
    found = []
    for form in (first, *others):
        if refused and refused.form.number == form.number:
            found.append(Shown(form, refused.chosen, refused.wrong, refused.reason))
        else:
            is_saved = form.number == answered and form.HasField("answered_at")
            found.append(Shown(form, list(form.chosen), is_saved=is_saved))
    return found
