"""SurveyService: proto to action to proto."""

from typing import Any

from protos.queue.v1 import surveys_pb2 as pb
from protos.queue.v1 import surveys_pb2_grpc
from services.kit.auth import current_caller
from services.kit.errors import InvalidArgument
from services.kit.ids import check_id
from services.queue import metrics, words
from services.queue.actions.answering import Answering, Form, Who
from services.queue.domain import MAX_RECIPIENTS
from services.queue.survey_words import survey_message

_LONGEST_LINK = 200


class SurveyServicer(surveys_pb2_grpc.SurveyServiceServicer):
    """Answers SurveyService."""

    def __init__(self, answering: Answering) -> None:
        """Take what every call needs."""
        self._answering = answering

    async def GetSurvey(self, request: pb.GetSurveyRequest, context: Any) -> pb.GetSurveyResponse:
        """Show what a recipient is asked."""
        form = await self._answering.show(current_caller(), _who(request.respondent))
        return pb.GetSurveyResponse(form=_form(form))

    async def AnswerSurvey(self, request: pb.AnswerSurveyRequest, context: Any) -> pb.AnswerSurveyResponse:
        """Take a recipient's answer."""
        who = _who(request.respondent)
        form = await self._answering.answer(current_caller(), who, list(request.chosen))
        metrics.answers.add(1, {"channel": form.asked.survey.channel.value})
        return pb.AnswerSurveyResponse(form=_form(form))

    async def GetOwnSurvey(self, request: pb.GetOwnSurveyRequest, context: Any) -> pb.GetOwnSurveyResponse:
        """Show the sender what is chosen."""
        asked, is_closed = await self._answering.show_own(check_id("message_id", request.message_id))
        survey = asked.survey
        return pb.GetOwnSurveyResponse(
            channel=words.channel_number(survey.channel),
            survey=survey_message(survey),
            is_closed=is_closed,
            questions=[
                pb.OptionCounts(
                    counts=[survey.taken.get((number, place), 0) for place in range(1, 1 + len(each.options))]
                )
                for number, each in enumerate(survey.questions, 1)
            ],
        )


def _who(message: pb.Respondent) -> Who:
    kind = message.WhichOneof("who")
    if kind == "link" and 0 < len(message.link) <= _LONGEST_LINK:
        return Who(link=message.link)
    if kind == "inbox":
        message_id = check_id("respondent/inbox/message_id", message.inbox.message_id)
        return Who(message_id=message_id, number=_number(message.inbox.number, 0))
    if kind == "delivery":
        entry_id = check_id("respondent/delivery/entry_id", message.delivery.entry_id)
        return Who(entry_id=entry_id, number=_number(message.delivery.number, 1))
    wrong = [("/respondent", "Name a link, a message of the inbox, or a delivery.")]
    raise InvalidArgument("RESPONDENT_INVALID", "It is not said who answers.", violations=wrong)


def _number(value: int, least: int) -> int:
    if not least <= value <= MAX_RECIPIENTS:
        wrong = [("/respondent", f"A number is {least} to {MAX_RECIPIENTS:,}.")]
        raise InvalidArgument("RESPONDENT_INVALID", "There is no such recipient.", violations=wrong)
    return value


def _form(form: Form) -> pb.SurveyForm:
    asked = form.asked
    return pb.SurveyForm(
        channel=words.channel_number(asked.survey.channel),
        subject=asked.subject,
        body=asked.body,
        from_title=asked.from_title,
        survey=survey_message(asked.survey, with_places=True),
        is_closed=form.is_closed,
        chosen=form.chosen,
        answered_at=words.stamp(form.answered_at),
        number=form.number,
        language=asked.language,
        mine=[pb.OwnDelivery(number=number, regarding_student_name=name) for number, name in form.mine],
    )
