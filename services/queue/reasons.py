"""Reasons that staff give for what they do by hand."""

from services.kit.errors import InvalidArgument

LONGEST_REASON = 500


def is_reason(text: str) -> bool:
    """Tell whether the text says something that can be kept: 1 to 500 characters without blanks around them."""
    return 1 <= len(text.strip()) <= LONGEST_REASON and "\x00" not in text


def check_reason(text: str) -> str:
    """Return the reason without blanks around it. InvalidArgument where it is none."""
    if not is_reason(text):
        wrong = [("/reason", f"Say why in 1 to {LONGEST_REASON} characters.")]
        raise InvalidArgument("REASON_MISSING", "A reason is needed.", violations=wrong)
    return text.strip()
