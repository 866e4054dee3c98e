"""Which referrals are asked for, read strictly; one that is opened, as it is answered."""

from protos.reports.v1 import reports_pb2 as pb
from services.kit.ruling import read_table
from services.reports.actions.referring import Opened
from services.reports.domain import Order
from services.reports.messages import audit_message, referral_message
from services.reports.store.referrals import COLUMNS, Asked


def read_asked(request: pb.ListReferralsRequest, person_id: str, zone: str) -> Asked:
    """Return which referrals are asked for; InvalidArgument names everything that cannot be read."""
    order = Order(request.sort.column or "date", request.sort.descending or not request.sort.column)
    are_known = set(request.reason_words) <= set(pb.ReferralReason.values())
    wrong = [] if are_known else [("/reason_words", "There is no such reason.")]
    rules = read_table(request.rules, request.sort, COLUMNS, request.school_titles, wrong)
    reasons = {
        pb.ReferralReason.Name(number).removeprefix("REFERRAL_REASON_").lower(): text  # type: ignore[arg-type]
        for number, text in request.reason_words.items()
    }
    told_id = person_id if request.is_mine else ""
    return Asked(told_id, order, rules, zone, dict(request.school_titles), reasons)


def opened_message(opened: Opened) -> pb.GetReferralResponse:
    """Return a referral with what is needed to follow it up."""
    return pb.GetReferralResponse(
        referral=referral_message(opened.referral),
        history=[audit_message(each) for each in opened.history],
        text=opened.text,
        sees_message=opened.sees_message,
    )
