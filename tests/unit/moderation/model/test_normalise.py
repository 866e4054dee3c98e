"""The normaliser reads through every disguise of the specification and leaves ordinary school language alone."""

import itertools
import time

import pytest

from services.moderation.model.normalise import Normalised, load_normaliser, sentences, windows
from services.moderation.training import evasions

_SAID = "i want to kill myself at school tomorrow"


def _read(text: str) -> str:
    return " ".join(load_normaliser().normalise(text).text.split())


@pytest.mark.parametrize("name", sorted(set(evasions.LOSSLESS) - {"double-struck", "upside down"}))
def test_lossless_disguises_change_nothing(name: str) -> None:
    assert _read(evasions.disguise(name, _SAID)) == _SAID


@pytest.mark.parametrize(
    "name",
    [
        "leet",
        "spaced",
        "dotted",
        "dashed",
        "slashed",
        "underscored",
        "line per letter",
        "reversed",
        "Pig Latin",
        "upside down",
    ],
)
def test_strong_disguises_are_undone(name: str) -> None:
    assert _read(evasions.disguise(name, _SAID)) == _SAID


@pytest.mark.parametrize(
    ("disguised", "meant"),
    [
        ("k*ll", "kill"),
        ("su!cide", "suicide"),
        ("s*icide", "suicide"),
        ("f**k", "fuck"),
        ("kiiiill", "kill"),
        ("kms", "kill myself"),
        ("unalive", "kill"),
        ("sewerslide", "suicide"),
        ("le dollar bean", "lesbian"),
        ("k i l l", "kill"),
        ("wnt to kll mslf", "want to kill myself"),
        ("i*l c*t m*self a*d d*e t*night", "ill cut myself and die tonight"),
        ("bring a 🔫", "bring a gun"),
        ("&#107;ill", "kill"),
        ("<b>ki</b>ll", "kill"),
        ("quiero m0rir", "quiero morir"),
        ("🇰🇮🇱🇱", "kill"),
        ("кіll", "kill"),
        ("iwanttodie", "i want to die"),
        ("i wanna dai", "i want to die"),
        ("suicdie", "suicide"),
        ("shoott", "shoot"),
    ],
)
def test_evasion_is_read(disguised: str, meant: str) -> None:
    assert _read(disguised) == meant


@pytest.mark.parametrize(
    "split",
    [
        "ki<b></b>ll",
        "<i>ki</i><b>ll</b>",
        "ki<wbr>ll",
        "ki<!---->ll",
        "ki<!-- see you -->ll",
        'ki<span class="x">ll',
        "k<x>i<y>l</z>l",
        "&lt;b&gt;ki&lt;/b&gt;ll",
    ],
)
def test_letters_that_markup_splits_are_joined(split: str) -> None:
    assert "kill" in _read(split).split()


@pytest.mark.parametrize(
    "hidden",
    [
        "<i will kill you>",
        "see you <i will kill you>",
        "see<i will kill you>you",
        "<!-- i will kill you -->",
        "<!--i will kill you-->see you",
        "&lt;i will kill you&gt;",
        "&amp;lt;i will kill you&amp;gt;",
        "</i will kill you>",
        "<<i will kill you>>",
        "<p i will kill you>",
        '<span title="i will kill you">hi</span>',
        "<b a=i will kill you>",
        "<i><b>i</b> will</i> <u>kill</u> you",
    ],
)
def test_words_between_angle_brackets_are_read(hidden: str) -> None:
    """Whoever gets the message sees them: no channel takes a text for markup."""
    assert "i will kill you" in _read(hidden).replace('"', " ").replace("=", " ")


@pytest.mark.parametrize(
    ("text", "read"), [("<3 you", "<3 you"), ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"), ("<p>hi</p><br>you", "hi you")]
)
def test_other_angle_brackets_stay(text: str, read: str) -> None:
    assert _read(text) == read


@pytest.mark.parametrize(
    "link",
    [
        "www.i.will.kill.you.tomorrow",
        "https://i-will-kill-you-tomorrow",
        "https://example.org/i/will/kill/you?tomorrow",
        "https://example.org/i%20will%20kill%20you",
        "https://example.org/i_will_k1ll_you_tomorrow",
        "www.iwillkillyoutomorrow.com",
        "i.will.kill.you@school.tomorrow",
        "www.hey\u2800i\u2800will\u2800kill\u2800you",
        "www.hey\u3164i\u3164will\u3164kill\u3164you",
    ],
)
def test_words_that_stand_as_a_link_are_read(link: str) -> None:
    read = load_normaliser().normalise(f"see {link}")
    assert read.text.startswith("see link")
    assert "i will kill you" in f"{read.text} {read.linked}"


@pytest.mark.parametrize(
    "link",
    [
        "https://school.example.org/lunch?menu=3",
        "www.khanacademy.org/math/algebra",
        "https://docs.google.com/document/d/1aB3xYz_9kQ-2/edit?usp=sharing",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "office@school.example.org",
    ],
)
def test_any_other_link_is_one_word(link: str) -> None:
    assert load_normaliser().normalise(f"see {link} now") == Normalised("see link now", encoded=False)


@pytest.mark.parametrize(
    "text",
    [
        "7th grade at 3pm",
        "option a, b, c, d or e",
        "see you at 7:30",
        "mp3 and h2o",
        "no sé qué hacer",
        "привет как дела",
        "xin chào các bạn",
        "self-harm",
        "that test",
        "puse el libro en el segundo piso",
        "me pregunto si necesito la maqueta",
        "demain on a la chorale au premier",
        "the orthodontist moved my auditorium slideshow",
        "we dye wool and row past the keel",
        "i got an a+ on it",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert _read(text) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("s*y c*nt t*lk my s*ster is h*re", "say cant talk my sister is here"),
        ("cnt tlk rn", "cant talk rn"),
        ("whr r u", "where r u"),
    ],
)
def test_a_harmless_word_is_not_taken_for_a_rude_one(text: str, meant: str) -> None:
    """One masked word hides something; in a message of masked words each is the likeliest one."""
    assert _read(text) == meant


@pytest.mark.parametrize("emoji", ["💀", "☠️", "😂", "🤣", "😭"])
def test_laughter_is_not_a_noun(emoji: str) -> None:
    assert _read(f"im dead {emoji}{emoji}") == "im dead"


@pytest.mark.parametrize(
    "text",
    [
        "aSBhbSBnb2luZyB0byBraWxsIG15c2VsZg==",
        "6920616d20676f696e6720746f2064696520746f6e69676874",
        ".. / .-- .- -. - / - --- / -.. .. .",
        "01101000 01101001 01100101",
        # Found at once: that a letter follows made the search take hours once.
        "0" * 400 + "x",
    ],
)
def test_encoded_text_is_pointed_out(text: str) -> None:
    assert load_normaliser().normalise(text).encoded


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "😀😀",
        "see you at practice - 3pm ... ok?",
        "https://example.org/aHR0cHM6Ly9leGFtcGxlLm9yZw",
        "1234567890123456",
    ],
)
def test_ordinary_signs_are_not_encodings(text: str) -> None:
    assert not load_normaliser().normalise(text).encoded


@pytest.mark.parametrize("unit", ["a.", "a-b-", "a+", "0", "01", "<!-- ", "<a", "a<b ", "@a", "www.", "a@b."])
def test_the_time_that_a_text_takes_grows_with_its_length_alone(unit: str) -> None:
    """It took seconds where the search from every start of a word ran to the end. No body is half as long as this."""
    began_at = time.thread_time()
    load_normaliser().normalise("#ab " + unit * (50_000 // len(unit)))
    assert time.thread_time() - began_at < 2


def test_long_text_is_cut_into_parts_and_none_is_lost() -> None:
    words = [f"word{i}x" for i in range(4_000)]
    parts = sentences(" ".join(words))
    assert " ".join(parts).split() == words
    assert max(len(part.split()) for part in parts) <= 40


def test_a_short_message_is_read_whole() -> None:
    assert windows("i am done. take my cat! thanks") == ["i am done. take my cat! thanks"]
    assert windows("😂") == []


def test_windows_of_a_long_message_overlap_and_lose_nothing() -> None:
    parts = [f"this is sentence number {i} of a long letter." for i in range(40)]
    read = windows(" ".join(parts))
    assert all(any(f"{a} {b}" in window for window in read) for a, b in itertools.pairwise(parts))
    assert max(len(window.split()) for window in read) <= 60
    assert len(read) < 20


@pytest.mark.parametrize("word", ["7", "ha", "word{i}"])
def test_nothing_of_a_long_message_is_left_unread(word: str) -> None:
    lines = [" ".join([word.format(i=i)] * 16) for i in range(700)]
    read = windows("\n".join([*lines, "the last line"]))
    assert any("the last line" in window for window in read)
    assert all(any(line in window for window in read) for line in lines)


def test_every_sentence_of_a_very_long_message_is_read_once() -> None:
    """Students' messages wait behind it for as long as it takes."""
    lines = [" ".join([f"x{i}"] * 16) for i in range(100, 400)]
    assert len(windows("\n".join(lines[:90]))) == 88
    assert len(windows("\n".join(lines))) == 100


def test_a_text_that_grows_without_measure_goes_to_a_person() -> None:
    """Each of these signs is eighteen letters; reading all of them would keep students' messages waiting."""
    read = load_normaliser().normalise("\ufdfa, " * 3_000 + "the end")
    assert read.encoded
    assert len(read.text) <= 30_001
    assert read.text.endswith("the end")
    assert not load_normaliser().normalise("see you at lunch. " * 1_600).encoded
