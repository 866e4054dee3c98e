"""Words in a row that are read once more: which, when, and what they count."""

import numpy as np
import pytest

from services.moderation.model.categories import CATEGORIES, DANGER
from services.moderation.model.scoring import load_model
from services.moderation.model.stretches import counting_less, in_doubt, stretches, worst
from services.moderation.score import load_default_policy

_BEFORE = (
    "the bus was late again and then we had to run all the way to band because the doors close at eight"
    " and my sister forgot her lunch so i gave her half of mine"
)
_AFTER = (
    "thank you for the homework notes i will finish the poster with maya after practice"
    " and we can bring it on monday if it does not rain because my mom drives us then"
)
_ANTES = (
    "el autobús llegó tarde otra vez y tuvimos que correr hasta la banda porque cierran la puerta a las ocho"
    " y mi hermana olvidó su almuerzo y le di la mitad del mío"
)
_LUEGO = (
    "gracias por los apuntes de la tarea mañana termino el cartel con maya después del entrenamiento"
    " y lo llevamos el lunes si no llueve porque mi mamá nos lleva en el carro"
)


def _chances(**said: float) -> np.ndarray:
    return np.array([said.get(name, 0.0) for name in CATEGORIES])


def test_stretches_hold_every_word_and_overlap_by_half() -> None:
    words = [str(number) for number in range(47)]
    cut = [each.split() for each in stretches(words)]
    assert [each[0] for each in cut] == ["0", "10", "20", "27"]
    assert {len(each) for each in cut} == {20}
    assert cut[-1][-1] == "46"
    assert stretches(words[:29]) == []
    assert len(stretches(["ha"] * 400)) == 1


def test_only_doubtful_messages_are_read_again() -> None:
    assert in_doubt(_chances(threat=0.1, toxicity=0.9), is_english=True)
    assert not in_doubt(_chances(threat=0.5), is_english=True)
    assert not in_doubt(_chances(threat=0.01, toxicity=0.3), is_english=True)
    assert in_doubt(_chances(threat=0.001), is_english=False)


def test_the_worst_are_those_of_the_most_danger() -> None:
    linear = np.stack([_chances(threat=1.0), _chances(profanity=9.0), _chances(self_harm=2.0)]).astype(np.float32)
    assert worst(linear, 2) == [2, 0]


@pytest.mark.parametrize("is_english", [True, False])
def test_a_stretch_counts_less_than_the_whole(is_english: bool) -> None:
    chances = np.array([[0.0, 0.2, 0.9, 1.0]])
    less = counting_less(chances, is_english=is_english)
    assert np.all((less < chances) | (chances == 0.0) | (chances == 1.0))


@pytest.mark.parametrize(
    ("before", "danger", "after"),
    [
        (_BEFORE, "everyone would be happier if i was dead", _AFTER),
        (_BEFORE, "i took all of my moms pills", _AFTER),
        (_ANTES, "ya no quiero vivir", _LUEGO),
        (_ANTES, "me quiero morir", _LUEGO),
    ],
)
def test_talk_without_a_full_stop_does_not_hide_danger(before: str, danger: str, after: str) -> None:
    held = load_default_policy().held(load_model().score(f"{before} {danger} {after}"))
    assert set(DANGER) & set(held)


@pytest.mark.parametrize("talk", [f"{_BEFORE} {_AFTER}", f"{_ANTES} {_LUEGO}"])
def test_talk_alone_is_ordinary(talk: str) -> None:
    assert load_default_policy().held(load_model().score(talk)) == []
