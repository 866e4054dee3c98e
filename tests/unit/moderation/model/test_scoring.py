"""The embedded model as the service uses it: sure of the plain cases, steady, whole.

And honest about what it cannot read.
"""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from services.moderation.model.artefact import ARTEFACTS, DamagedArtefact, verify
from services.moderation.model.categories import CATEGORIES
from services.moderation.model.scoring import Model, load_model, what_is_read
from services.moderation.score import load_default_policy

_DANGER = "I am going to kill myself tonight"
_PADDING = "Thank you for the homework notes. See you in band tomorrow. "


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (_DANGER, "self_harm_intent"),
        ("I'm bringing a gun to school tomorrow and you're all dead", "threat"),
        ("go kill yourself you worthless idiot", "self_harm_direction"),
        ("k1ll y0urs3lf", "self_harm_direction"),
        ("you are a fucking idiot", "profanity"),
        ("quiero matarme esta noche", "self_harm"),
        ("te voy a matar mañana en la escuela", "threat"),
    ],
)
def test_plain_danger_is_held(text: str, category: str) -> None:
    assert category in load_default_policy().held(load_model().score(text))


@pytest.mark.parametrize(
    "text",
    [
        "<I will shoot everyone at school tomorrow>",
        "see you <i am going to kill you tomorrow at school>",
        "<!-- i will bring a gun to school and shoot everybody in the cafeteria -->see you",
        "&lt;i will kill you tomorrow&gt;",
        "www.i.will.kill.you.tomorrow",
        "www.hey\u2800i\u2800am\u2800going\u2800to\u2800kill\u2800you\u2800tomorrow\u2800at\u2800school",
    ],
)
def test_angle_brackets_and_links_hide_no_danger(text: str) -> None:
    assert "threat" in load_default_policy().held(load_model().score(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "😂💀",
        "what time does the bus leave saturday",
        "¿mañana hay examen de historia?",
        "Dear Mrs. Lee, may I hand in the essay on Monday?",
        "see you at practice 3pm",
    ],
)
def test_ordinary_messages_pass(text: str) -> None:
    assert load_default_policy().held(load_model().score(text)) == []


def test_scores_are_probabilities_and_repeat_exactly() -> None:
    first, second = load_model().score(_DANGER), load_model().score(_DANGER)
    assert first == second
    assert set(first.as_dict()) == set(CATEGORIES)
    assert all(0.0 <= score <= 1.0 for score in first.as_dict().values())


def test_what_others_sent_changes_no_score() -> None:
    model = load_model()
    first = model.score(_DANGER)
    model.score("ok")
    assert model.score(_DANGER) == first


def test_the_words_of_a_link_count_by_themselves() -> None:
    """Read together with the text they would drown it."""
    policy, danger = load_default_policy(), "theres going to be a shooting at the game friday"
    link = "https://news.example.org/sport/how-the-team-lost-the-final-game"
    assert policy.held(load_model().score(danger)) == policy.held(load_model().score(f"{danger} {link}"))
    assert not policy.held(load_model().score(f"did you see {link}"))


def test_padding_does_not_hide_danger() -> None:
    text = _PADDING * 170 + _DANGER + ". " + _PADDING * 170
    assert len(text) > 20_000
    scores = load_model().score(text)
    assert "self_harm" in load_default_policy().held(scores)
    assert "kill myself" in scores.explanation["self_harm"].sentence
    assert "kill" in scores.explanation["self_harm"].words


@pytest.mark.parametrize("signs", ["!" * 200, "!?#," * 50, "! " * 200, "\N{SPARKLES}" * 200, "_" * 200])
@pytest.mark.parametrize(
    ("danger", "category"),
    [
        ("i am going to stab her tomorrow", "threat"),
        (_DANGER.lower(), "self_harm_intent"),
        ("te voy a matar mañana en la escuela", "threat"),
    ],
)
def test_signs_do_not_push_danger_out_of_sight(danger: str, category: str, signs: str) -> None:
    """A network reads 128 pieces at a time, of which each sign is one."""
    alone = load_model().score(danger).as_dict()[category]
    assert load_model().score(f"hey{signs} {danger}").as_dict()[category] >= 0.9 * alone


@pytest.mark.parametrize("filler", ["xq zv wj kp " * 12, "qzxjkvwp" * 9 + " ", "ha-ha-ha-ha-ha-ha " * 12])
def test_gibberish_before_danger_hides_none_of_it(filler: str) -> None:
    assert load_default_policy().held(load_model().score(filler + _DANGER))


@pytest.mark.parametrize(
    "sentence", ["ya no quiero vivir, hoy me mato", "mwen pral touye tèt mwen aswè a", "ce soir je vais me tuer"]
)
def test_danger_in_another_language_is_found_among_english_sentences(sentence: str) -> None:
    text = f"hey are you coming to practice later. {sentence}. i have the ball and the cones"
    assert "self_harm" in load_default_policy().held(load_model().score(text, "en"))


def test_sentences_of_another_language_are_read_by_themselves_too() -> None:
    mixed = "see you at practice. hoy me quiero morir. bring the ball."
    assert what_is_read(mixed, is_english=True) == [mixed, "hoy me quiero morir."]
    assert what_is_read(mixed, is_english=False) == [mixed]
    assert len(what_is_read("see you at practice. bring the ball.", is_english=True)) == 1


def test_a_clear_message_gets_the_scores_of_its_first_readers_and_asks_nobody_else() -> None:
    model = load_model()
    silent = replace(model.parts, multilingual=None)  # type: ignore[arg-type]  # it must not be asked
    text = "what time does the bus leave saturday"
    assert Model("x", silent).score(text).as_dict() == model.score(text).as_dict()
    with pytest.raises(AttributeError):
        Model("x", silent).score(_DANGER)


def test_implied_categories_are_never_below_what_implies_them() -> None:
    scores = load_model().score("just do it already, kill yourself")
    assert scores.self_harm >= max(scores.self_harm_intent, scores.self_harm_direction)
    assert scores.toxicity >= scores.severe_toxicity


def test_whatever_a_policy_may_hold_or_watch_is_explained() -> None:
    said = load_model().score("see you at practice. everybody would be better off if i moved away, you stupid idiot")
    assert set(said.explanation) == {name for name, score in said.as_dict().items() if score >= 0.05}
    assert min(load_default_policy().watch.values()) > 0.05
    assert all(each.sentence.startswith("everybody") and each.words for each in said.explanation.values())


def test_unknown_language_and_encodings_go_to_a_person() -> None:
    model, policy = load_model(), load_default_policy()
    foreign = model.score("waan ku dilayaa berri markaad iskuulka timaado adiga iyo saaxiibkaa", "so")
    assert foreign.confidence < 0.5
    assert policy.watched(foreign)
    assert all(
        policy.watched(model.score(text, "en")) for text in ("我今晚要自杀", "سأنتحر الليلة", "caawa waan is dilayaa")
    )
    assert policy.watched(model.score("aSBhbSBnb2luZyB0byBraWxsIG15c2VsZg=="))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ARTEFACTS, tmp_path / "model")
    assert verify(tmp_path / "model") == verify()
    (tmp_path / "model" / "mixture.json").write_text("{}")
    with pytest.raises(DamagedArtefact, match=r"mixture\.json"):
        verify(tmp_path / "model")


def test_nothing_for_training_is_loaded() -> None:
    code = (
        "import sys; from services.moderation.model.scoring import load_model; load_model().score('hi');"
        "unwanted = ('torch', 'sklearn', 'scipy', 'requests', 'httpx', 'aiohttp');"
        "print([m for m in unwanted if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
