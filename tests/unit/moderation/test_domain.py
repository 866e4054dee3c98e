"""Scores and a policy make a decision."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from string import ascii_lowercase

import pytest

from services.kit.errors import InvalidArgument, PermissionDenied
from services.moderation.domain import (
    Category,
    Decision,
    Explanation,
    Judgement,
    Override,
    Policy,
    Rule,
    check_note,
    check_policy,
    check_reach,
    decide,
    explain,
)
from services.moderation.phrases import PhraseList, phrases_in, without_phrases
from services.moderation.policies import check_new_phrases, read_default
from services.moderation.providers.modapi import read_scores

POLICY = Policy(1, tuple(Rule(category, True, 0.8, 0.5, 2) for category in Category))


def judged(*, uncertain: bool = False, **scores: float) -> Judgement:
    return Judgement(
        {Category(name): score for name, score in scores.items()}, "embedded", "m1", is_uncertain=uncertain
    )


def test_a_score_at_the_threshold_holds_and_just_below_watches() -> None:
    assert decide(POLICY, judged(threat=0.8), "", "", is_blocked=False).decision is Decision.HOLD
    assert decide(POLICY, judged(threat=0.7999), "", "", is_blocked=False).decision is Decision.WATCH
    assert decide(POLICY, judged(threat=0.4999), "", "", is_blocked=False).decision is Decision.CLEAN


def test_what_the_model_cannot_read_is_watched_and_never_clean() -> None:
    assert decide(POLICY, judged(uncertain=True, threat=0.0), "", "", is_blocked=False).decision is Decision.WATCH


def test_an_override_counts_for_its_school_and_grades_alone() -> None:
    strict = Override("s1", ("05",), (Rule(Category.INSULT, True, 0.3, 0.2, 1),))
    policy = replace(POLICY, overrides=(strict,))
    assert decide(policy, judged(insult=0.4), "s1", "05", is_blocked=False).tier == 1
    as_people_write = replace(POLICY, overrides=(replace(strict, grades=("5", "kg")),))
    assert [
        decide(as_people_write, judged(insult=0.4), "s1", each, is_blocked=False).tier for each in ("05", "KG")
    ] == [1, 1]
    assert decide(policy, judged(insult=0.4), "s1", "11", is_blocked=False).decision is Decision.CLEAN
    assert decide(policy, judged(insult=0.4), "s2", "05", is_blocked=False).decision is Decision.CLEAN


def test_exceptions_combine_and_the_nearest_decides() -> None:
    def insult(hold: float) -> tuple[Rule, ...]:
        return (Rule(Category.INSULT, True, hold, 0.1, 1),)

    threat = Rule(Category.THREAT, False, 0.9, 0.8, 1)
    both = Override("s1", ("5",), insult(0.2))
    school = Override("s1", (), (*insult(0.3), threat), is_shadow=False)
    grades = Override("", ("5", "6"), insult(0.4), is_shadow=True)
    later = Override("", ("6",), insult(0.5))
    for overrides in ((both, school, grades, later), (grades, later, school, both)):
        policy = replace(POLICY, overrides=overrides)

        def holds_from(school_id: str, grade: str, policy: Policy = policy) -> float:
            return policy.rules_for(school_id, grade)[Category.INSULT].hold_threshold

        assert [holds_from("s1", "05"), holds_from("s1", "06"), holds_from("s2", "06")] == [0.2, 0.3, 0.4]
        assert holds_from("s2", "07") == POLICY.rules_for("", "")[Category.INSULT].hold_threshold
        assert not policy.rules_for("s1", "05")[Category.THREAT].is_on, (
            "the school's, which the nearer one leaves alone"
        )
        assert [policy.of(*who).is_shadow for who in (("s1", "5"), ("s2", "5"), ("s2", "7"))] == [False, True, False]


@pytest.mark.accepts(304)
def test_shadow_mode_can_be_on_for_one_school() -> None:
    policy = replace(POLICY, overrides=(Override("s1", (), (), is_shadow=True),))
    decisions = [decide(policy, judged(violence=0.99), each, "", is_blocked=False).decision for each in ("s1", "s2")]
    assert decisions == [Decision.WATCH, Decision.HOLD]


def test_phrases_of_every_exception_that_fits_come_on_top_of_the_districts() -> None:
    here = Override("s1", (), (), blocked_phrases=("old mill", "barn"), allowed_phrases=("raiders",))
    seniors = Override("", ("12",), (), blocked_phrases=("prom",))
    policy = replace(POLICY, overrides=(here, seniors), blocked_phrases=("barn",))
    assert policy.of("s1", "12").blocked_phrases == ("barn", "old mill", "prom")
    assert policy.of("s2", "12").blocked_phrases == ("barn", "prom")
    assert policy.of("s1", "12").allowed_phrases == ("raiders",)
    assert policy.of("s2", "11").allowed_phrases == ()


def test_what_is_explained_is_the_gravest_category_that_holds_and_not_the_highest_score() -> None:
    urgent = (Category.SELF_HARM_INTENT, Category.THREAT)
    rules = tuple(replace(rule, tier=1 if rule.category in urgent else 3) for rule in POLICY.rules)
    policy = replace(POLICY, rules=rules)
    why = {name: Explanation(f"about {name}") for name in Category}

    def told(**scores: float) -> str:
        said = Judgement({Category(name): score for name, score in scores.items()}, "embedded", "m1", why)
        return explain(policy, said, decide(policy, said, "", "", is_blocked=False), "", "")

    assert told(profanity=0.99, self_harm_intent=0.81) == "about self_harm_intent"
    assert told(threat=0.82, self_harm_intent=0.81) == "about threat"
    assert told(profanity=0.81, threat=0.79) == "about profanity"
    assert told(threat=0.6, self_harm_intent=0.7) == "about self_harm_intent"
    assert told(profanity=0.4) == ""


def test_an_explanation_names_its_words_and_is_that_of_the_next_category_where_the_gravest_has_none() -> None:
    said = replace(judged(threat=0.9, insult=0.9), explanations={Category.INSULT: Explanation("you fool", ("fool",))})
    outcome = decide(POLICY, said, "", "", is_blocked=False)
    assert explain(POLICY, said, outcome, "", "") == "you fool (above all: fool)"


@pytest.mark.accepts(304)
def test_shadow_mode_records_what_would_be_held_and_holds_nothing() -> None:
    outcome = decide(replace(POLICY, is_shadow=True), judged(violence=0.99), "", "", is_blocked=False)
    assert (outcome.decision, outcome.holds) == (Decision.WATCH, frozenset({Category.VIOLENCE}))


def test_a_blocked_phrase_holds_whatever_the_scores() -> None:
    assert decide(POLICY, judged(threat=0.0), "", "", is_blocked=True).decision is Decision.HOLD


@pytest.mark.parametrize(
    "said", ["Killer Whales won", "KILLER-WHALES won", "\uff4b\uff49\uff4c\uff4c\uff45\uff52 whales won"]
)
def test_allowed_phrases_are_cut_out_as_whole_words(said: str) -> None:
    assert without_phrases(said, ["killer whales"]).split() == ["won"]
    assert without_phrases("painkiller whalesong", ["killer whales"]) == "painkiller whalesong"


def test_a_disguised_phrase_is_not_an_allowed_one() -> None:
    assert "wh4les" in without_phrases("k1ller wh4les", ["killer whales"])


@pytest.mark.parametrize(
    "said", ["Meet at the OLD mill tonight", "the o l d  m i l l", "the \u043eld m\u0456ll", "\u200bold mi\u200bll"]
)
def test_blocked_phrases_are_found_through_disguises(said: str) -> None:
    assert phrases_in(["Hello", said], ["quarry", "Old Mill"]) == ("Old Mill",)
    assert phrases_in(["the gold millet"], ["old mill"]) == ()


def test_a_blocked_link_is_found_and_is_no_other_link() -> None:
    blocked = ["www.old-mill.example", "join https://mill.example"]
    assert phrases_in(["see WWW.old-mill.example/party"], blocked) == ("www.old-mill.example",)
    assert phrases_in(["join https://mill.example now"], blocked) == ("join https://mill.example",)
    assert phrases_in(["here is the link: https://school.example", "join link"], blocked) == ()


def test_phrases_of_which_one_holds_the_other_are_both_found_and_the_longer_one_is_cut_out() -> None:
    phrases = ["mill", "old mill", "the old mill burns"]
    assert phrases_in(["meet at the OLD mill"], phrases) == ("mill", "old mill")
    assert without_phrases("meet, the old mill burns, mill", phrases).split() == ["meet,", ","]
    assert without_phrases("the_old_mill: burned", phrases) == "the_ : burned"
    assert without_phrases("at the old mill", ["old mill", "old mill by night"]) == "at the  "


def test_a_list_of_a_thousand_phrases_is_made_ready_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = PhraseList.__init__

    def counting(self: PhraseList, worded: Iterable[tuple[str, Sequence[str]]]) -> None:
        listed = list(worded)
        made.append(len({phrase for phrase, _ in listed}))
        real(self, listed)

    monkeypatch.setattr(PhraseList, "__init__", counting)
    phrases = tuple(f"mill {first}{second}g" for first in ascii_lowercase for second in ascii_lowercase)
    for said in ("meet me at mill fog", "the mill fog again"):
        assert phrases_in([said], phrases) == ("mill fog",)
        assert "fog" not in without_phrases(said, phrases)
    assert made == [len(phrases)] * 2


def test_a_note_is_needed_and_kept_short() -> None:
    assert check_note("  Asked by the counsellors.\n") == "Asked by the counsellors."
    for wrong in ("", "  \n", "x" * 501):
        with pytest.raises(InvalidArgument):
            check_note(wrong)


def test_who_sees_one_school_changes_the_exceptions_of_that_school_alone() -> None:
    theirs = Override("s1", (), (Rule(Category.INSULT, True, 0.3, 0.2, 1),))
    other = replace(theirs, school_id="s2")
    check_reach(replace(POLICY, overrides=(other,)), replace(POLICY, overrides=(theirs, other)), {"s1"})
    for beyond in (replace(POLICY, is_shadow=True), replace(POLICY, overrides=(other,))):
        with pytest.raises(PermissionDenied):
            check_reach(POLICY, beyond, {"s1"})
        check_reach(POLICY, beyond, {"*"})


def test_who_sees_one_school_leaves_shadow_mode_there_as_it_is() -> None:
    awake = Override("s1", ("9",), (), is_shadow=False)
    before = replace(POLICY, overrides=(awake,))
    check_reach(before, replace(POLICY, overrides=(replace(awake, blocked_phrases=("old mill",)),)), {"s1"})
    check_reach(before, replace(POLICY, overrides=(Override("s1", (), (), None, ("old mill",)), awake)), {"s1"})
    for beyond in (
        (replace(awake, is_shadow=True),),
        (replace(awake, grades=()),),
        (awake, Override("s1", (), (), is_shadow=True)),
        (),
    ):
        with pytest.raises(PermissionDenied):
            check_reach(before, replace(POLICY, overrides=beyond), {"s1"})
        check_reach(before, replace(POLICY, overrides=beyond), {"*"})


def test_a_policy_that_makes_no_sense_names_each_wrong_field() -> None:
    broken = replace(POLICY, rules=(*POLICY.rules[:-1], Rule(Category.VIOLENCE, True, 0.2, 0.9, 7)))
    with pytest.raises(InvalidArgument) as refusal:
        check_policy(broken)
    assert [each.pointer for each in refusal.value.violations] == ["/rules/9", "/rules/9/tier"]


def test_texts_that_the_database_cannot_keep_are_refused() -> None:
    override = Override("north\x00", (), POLICY.rules[:1], allowed_phrases=("x" * 201,))
    broken = replace(POLICY, overrides=(override,), blocked_phrases=("old\x00mill",), allowed_phrases=("\x00",))
    broken = replace(broken, crisis_notice="x" * 1001)
    with pytest.raises(InvalidArgument) as refusal:
        check_policy(broken)
    assert [each.pointer for each in refusal.value.violations] == [
        "/overrides/0",
        "/overrides/0/allowed_phrases",
        "/blocked_phrases",
        "/allowed_phrases",
        "/crisis_notice",
    ]
    with pytest.raises(InvalidArgument):
        check_note("A\x00trial.")


def test_the_default_policy_is_valid() -> None:
    assert len(read_default().rules) == 10


@pytest.mark.accepts(164, 165, 166)
def test_vendor_labels_map_to_ours_and_what_it_does_not_say_is_absent() -> None:
    answer = {
        "policies": [
            {
                "type": "classifier",
                "id": "toxicity",
                "probability": 0.4,
                "labels": [{"id": "NEUTRAL", "probability": 0.99}, {"id": "SEVERE_TOXICITY", "probability": 0.2}],
            },
            {
                "type": "classifier",
                "id": "self-harm",
                "probability": 0.7,
                "labels": [{"id": "self_harm/intent", "probability": 0.6}],
            },
            {"type": "entity_matcher", "id": "url", "probability": 1.0},
            {"type": "classifier", "id": "violence", "probability": None},
        ]
    }
    assert read_scores(answer) == {
        Category.TOXICITY: 0.4,
        Category.SEVERE_TOXICITY: 0.2,
        Category.SELF_HARM: 0.7,
        Category.SELF_HARM_INTENT: 0.6,
    }


@pytest.mark.accepts(166)
def test_what_is_no_probability_and_what_a_failed_policy_says_is_absent_too() -> None:
    chances = {"violence": float("nan"), "threat": 97.0, "hate": -0.1, "profanity": 0.3, "self_harm": 0.0}
    policies = [{"type": "classifier", "id": name, "probability": chance} for name, chance in chances.items()]
    failed = [{"id": "SELF_HARM", "message": "The policy could not be evaluated"}]
    assert read_scores({"policies": policies, "errors": failed}) == {Category.PROFANITY: 0.3}


@pytest.mark.parametrize(
    "phrase", ["\N{SKULL}\N{FIRE}", "!!!", "A+", "C++", "#1", "_ _", "\N{CIRCLED LATIN CAPITAL LETTER A}!"]
)
def test_a_new_blocked_phrase_that_could_never_be_found_or_only_as_one_letter_is_refused(phrase: str) -> None:
    override = Override("s1", (), (), blocked_phrases=("old mill", phrase))
    wanted = replace(POLICY, blocked_phrases=("quarry", phrase), overrides=(override,))
    with pytest.raises(InvalidArgument) as caught:
        check_new_phrases(POLICY, check_policy(wanted))
    detail = f'"{phrase}" has no word that could be found.'
    told = [("/overrides/0/blocked_phrases", detail), ("/blocked_phrases", detail)]
    assert [(each.pointer, each.detail) for each in caught.value.violations] == told
    check_new_phrases(replace(POLICY, overrides=(override,)), wanted)


@pytest.mark.parametrize("phrase", ["a", "C 4", "C4", "k!ll", "O'Neill", "死", "#1 fan", "\N{PISTOL}"])
def test_what_has_a_word_may_be_blocked(phrase: str) -> None:
    check_new_phrases(POLICY, check_policy(replace(POLICY, blocked_phrases=(phrase,))))
    assert phrases_in([f"so {phrase} it is"], [phrase]) == (phrase,)


def test_an_allowed_phrase_without_a_word_does_no_harm() -> None:
    check_new_phrases(POLICY, check_policy(replace(POLICY, allowed_phrases=("A+", "\N{FIRE}"))))
