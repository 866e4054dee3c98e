"""Recipients column by column, as they travel between services when there may be many of them."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from protos.directory.v1 import directory_pb2 as directory

ValueT = TypeVar("ValueT")


def columns_of(recipients: Sequence[directory.Recipient]) -> directory.RecipientColumns:
    """Return the columns of these recipients."""
    return directory.RecipientColumns(
        count=len(recipients),
        person_ids=_column(each.person_id for each in recipients),
        names=_column(each.name for each in recipients),
        roles=_column(each.role for each in recipients),
        school_ids=_column(each.school_id for each in recipients),
        staff_ids=_column(each.staff_id for each in recipients),
        regarding_student_ids=_column(each.regarding_student_id for each in recipients),
        regarding_student_names=_column(each.regarding_student_name for each in recipients),
        student_numbers=_column(each.student_number for each in recipients),
        languages=_column(each.language for each in recipients),
        emails=_column(each.email for each in recipients),
        mobiles=_column(each.mobile for each in recipients),
        phones=_column(",".join(each.phones) for each in recipients),
        devices=_column(",".join(each.devices) for each in recipients),
        has_account=_column(each.has_account for each in recipients),
        invalid_emails=_invalid(recipients, "email"),
        invalid_mobiles=_invalid(recipients, "mobile"),
        invalid_landlines=_invalid(recipients, "landline"),
    )


def _invalid(recipients: Sequence[directory.Recipient], kind: str) -> list[str]:
    # Asking with [] would add the kind to the message.
    return _column(each.invalid_contacts.get(kind, "") for each in recipients)


def _column(values: Iterable[ValueT]) -> list[ValueT]:
    found = list(values)
    return found if any(found) else []
