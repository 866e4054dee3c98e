"""The language decides which networks read a message, so a wrong setting must not hide a plain sentence."""

import pytest

from services.moderation.model import artefact
from services.moderation.model.language import LEARNT, Language, identify, is_plain_english
from services.moderation.model.normalise import load_normaliser
from services.moderation.model.scoring import load_ngrams, reads_as_english
from services.moderation.training.data import read_corpus

_VOCABULARY = frozenset(load_ngrams(artefact.ARTEFACTS).word_columns)
_UNREAD = {
    "am": "ዛሬ ማታ ራሴን እገድላለሁ",
    "ar": "سأنتحر الليلة",
    "de": "ich bringe mich heute nacht um",
    "el": "απόψε θα αυτοκτονήσω",
    "fa": "امشب خودم را می کشم",
    "ha": "zan kashe kaina yau da dare",
    "hi": "मैं आज रात मर जाऊँगा",
    "hmn": "kuv yuav tua koj tag kis tom tsev kawm ntawv",
    "it": "domani a scuola ti ammazzo",
    "ja": "しにたい",
    "ko": "오늘 밤 자살할 거야",
    "my": "ဒီည ငါ ကိုယ့်ကိုယ်ကို သတ်သေမယ်",
    "nl": "ik ga je morgen op school vermoorden",
    "pl": "dzis w nocy sie zabije",
    "ro": "te omor mâine la școală",
    "ru": "я убью тебя завтра в школе",
    "rw": "nzakwica ejo ku ishuri",
    "so": "waan ku dilayaa berri markaad iskuulka timaado",
    "sq": "nesër do të vras në shkollë",
    "sw": "nitakuua kesho shuleni",
    "th": "คืนนี้ฉันจะฆ่าตัวตาย",
    "tl": "papatayin kita bukas sa eskwelahan",
    "tr": "artik yasamak istemiyorum",
    "vi": "tối nay tôi sẽ tự tử",
    "zh": "我今晚要自杀",
}
"""Plain danger in languages that the corpus does not have."""

_SHORT = (
    *("", "ok", "lol", "k", "wyd", "rizz", "gyatt dayum", "hmu after skl", "tysm ily", "he lowkey got no rizz fr"),
    *("Mr. Nguyen", "Ms. Okonkwo", "Xiomara", "Kowalczyk", "Abdirahman Warsame", "asdfghjkl"),
    *("😂😂", "¯\\_(ツ)_/¯", "ಠ_ಠ", "Δx/Δt"),
)


def heard(text: str, told: str | None) -> Language:
    return identify(load_normaliser().normalise(text).text, told, _VOCABULARY)


@pytest.mark.parametrize(
    ("text", "told", "code"),
    [
        ("i will see you at the game tonight", None, "en"),
        ("mañana no voy a la escuela porque estoy enfermo", None, "es"),
        ("demain je ne vais pas à l'école", None, "fr"),
        ("hoje eu não vou pra escola com você", None, "pt"),
        ("mwen pa vle al lekòl jodi a", None, "ht"),
        ("mañana no voy a la escuela porque estoy enfermo", "en", "es"),
        ("ok gracias", "es-MX", "es"),
        ("oui merci", "en", "en"),
        ("привет как дела", "en", "ru"),
        ("xqzt", None, "en"),
    ],
)
def test_language_is_told_by_words(text: str, told: str | None, code: str) -> None:
    assert identify(text, told, {}).code == code


@pytest.mark.parametrize("code", _UNREAD)
def test_a_language_it_does_not_know_lowers_confidence_whatever_was_told(code: str) -> None:
    assert [told for told in (None, "en", "es", code) if heard(_UNREAD[code], told).confidence >= 0.5] == []


@pytest.mark.parametrize(
    "text",
    [
        "see you at lunch 我不想活了",
        "see you at practice. waan ku dilayaa berri iskuulka. bring the ball",
        "thanks for the notes. tối nay tôi sẽ tự tử. bye",
        "toi nay toi se tu tu",
        "死",
    ],
)
def test_one_sentence_of_such_a_language_is_enough(text: str) -> None:
    assert heard(text, "en").confidence < 0.5


@pytest.mark.parametrize("told", [None, "en"])
@pytest.mark.parametrize(
    "text",
    [
        "quiero matarme esta noche",
        "je vais me tuer ce soir",
        "vou te matar amanhã na escola",
        "mwen pral touye w demen",
    ],
)
def test_the_languages_of_the_corpus_are_known(text: str, told: str | None) -> None:
    assert heard(text, told).confidence >= 0.5


@pytest.mark.parametrize("told", [None, "en"])
@pytest.mark.parametrize("text", _SHORT)
def test_short_english_names_slang_and_faces_are_no_other_language(text: str, told: str | None) -> None:
    assert heard(text, told).confidence >= 0.5


def test_english_of_a_family_that_speaks_another_language_is_read_as_english() -> None:
    said = heard("can i turn the lab report in tomorrow? i was at the dentist", "so")
    assert (said.code, said.confidence >= 0.5) == ("en", True)
    assert heard("waan ku dilayaa berri", "so").code == "so"
    assert heard("ok thx", "hmn").confidence >= 0.5


def test_hardly_a_dev_message_is_taken_for_another_language() -> None:
    rows = [row for row in read_corpus() if row.split == "dev"]
    heard_as = [(row.lang, heard(row.text, None)) for row in rows]
    assert {lang for lang, _ in heard_as} == LEARNT
    assert [said for lang, said in heard_as if lang == "en" and said.confidence < 0.5] == []
    assert sum(said.confidence < 0.5 for _, said in heard_as) <= len(rows) // 500
    assert sum(lang == "en" and not reads_as_english(said) for lang, said in heard_as) <= len(rows) // 50


@pytest.mark.parametrize(
    "text",
    [
        "see you at practice. ya no quiero vivir. bring the ball",
        "lol ok. je veux plus être là. see you monday",
        "thanks for the notes. eu quero morrer hoje. bye",
        "hi miss. mwen pa vle viv ankò. thank you",
        "see you at lunch 我不想活了",
    ],
)
def test_one_foreign_sentence_among_english_ones_is_noticed(text: str) -> None:
    assert not is_plain_english(text)


@pytest.mark.parametrize(
    "text", ["see you at practice tomorrow, bring the ball", "can we come on monday? no, tuesday. 3pm"]
)
def test_ordinary_english_is_plain(text: str) -> None:
    assert is_plain_english(text)
