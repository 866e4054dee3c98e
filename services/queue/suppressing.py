"""Which failures say that a destination should not be written to again (statement 311); pure.

Writing on to addresses that bounce, to people who complained and to numbers that are none costs the sender's standing
with the providers. Calls are not suppressed: a person's several numbers are tried anyway.
"""

from typing import Final

HARD_BOUNCE: Final = "hard_bounce"
COMPLAINT: Final = "complaint"
INVALID_NUMBER: Final = "invalid_number"
ERROR_CODES: Final = {
    HARD_BOUNCE: "SUPPRESSED_BOUNCE",
    COMPLAINT: "SUPPRESSED_COMPLAINT",
    INVALID_NUMBER: "SUPPRESSED_NUMBER",
}
"""Error of a delivery to a suppressed destination, by the reason; failures.csv explains it."""
_NUMBERS: Final = frozenset({"21211", "21217", "21614", "21635", "30005", "30006"})
"""Twilio: no number, no mobile number, not in service."""


def reason_of(provider: str, status: str, code: str) -> str:
    """Return why a destination is suppressed after this answer or receipt; "" when it is not."""
    if provider == "twilio":
        return INVALID_NUMBER if code in _NUMBERS else ""
    if provider == "aws_sms":
        return INVALID_NUMBER if code == "TEXT_INVALID" else ""
    if provider != "ses":
        return ""
    if status.strip().lower() == "complaint":
        return COMPLAINT
    return HARD_BOUNCE if code.lower().startswith("bounce/permanent") else ""
