"""What is kept of a message for those after it."""

from services.moderation.conversing import kept_of


def test_a_short_message_is_kept_whole_after_its_subject_in_one_line() -> None:
    assert kept_of("the\nmill", "meet me\nthere") == "the mill\nmeet me\nthere"
    assert kept_of("", "x" * 2_000) == "\n" + "x" * 2_000


def test_of_a_long_message_beginning_and_end_are_kept() -> None:
    """Whoever splits a threat over messages writes its next part before or after a lot of nothing."""
    kept = kept_of("mill", f"it begins{' so on' * 600} it goes on")
    assert kept.startswith("mill\nit begins so on")
    assert kept.endswith("so on it goes on")
    assert 2_000 <= len(kept) <= 2_010
