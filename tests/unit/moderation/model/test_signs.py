"""Rows of signs, as students draw lines with, in a message of any language: it is judged all the same."""

import pytest

from services.moderation.model.scoring import load_model
from services.moderation.model.stretches import stretches
from services.moderation.score import load_default_policy

_ORDINARY = {
    "en": "hi are you coming to the party after practice",
    "es": "hola amigo que tal la fiesta de ayer",
    "fr": "salut tu viens au match demain avec nous",
    "ht": "bonjou zanmi mwen kouman fèt la te ye",
    "pt": "oi amigo como foi a festa de ontem",
}
_DANGER = "te voy a matar mañana en la escuela"


@pytest.mark.parametrize("sign", ["-", "★", "$", "/", "→", "¿", "🥵", "<", "&", "@", "#", "."])
@pytest.mark.parametrize("language", sorted(_ORDINARY))
def test_a_row_of_signs_is_judged(language: str, sign: str) -> None:
    said = load_model().score(f"{_ORDINARY[language]} {f'{sign} ' * 45}")
    assert load_default_policy().held(said) == []
    assert all(each.sentence for each in said.explanation.values())


@pytest.mark.parametrize("row", ["- " * 45, "<3 " * 45, "$/" * 45, "★ " * 200])
def test_a_row_of_signs_hides_no_danger(row: str) -> None:
    policy = load_default_policy()
    assert {"threat", "violence"} <= set(policy.held(load_model().score(f"{_ORDINARY['es']} {row} {_DANGER} {row}")))


def test_a_stretch_of_signs_takes_no_place() -> None:
    words = ["-"] * 40 + ["word"] + ["★"] * 25
    assert all("word" in each for each in stretches(words))
    assert stretches(["-"] * 60) == []
