"""The policy's form: what is read from it, and a change in words."""

import pytest
from werkzeug.datastructures import MultiDict

from protos.moderation.v1 import moderation_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway import policies
from services.kit.errors import InvalidArgument

ALL, ONE = frozenset({"*"}), frozenset({"s1"})
TITLES = {"s1": "Lincoln High"}


def rule(category: "types.Category.ValueType", hold: float = 0.8, watch: float = 0.5) -> pb.CategoryRule:
    return pb.CategoryRule(category=category, is_on=True, hold_threshold=hold, watch_threshold=watch, tier=2)


def policy(*overrides: pb.PolicyOverride) -> pb.Policy:
    return pb.Policy(
        version=3, rules=[rule(types.CATEGORY_INSULT), rule(types.CATEGORY_SELF_HARM)], overrides=overrides
    )


def fields(shown: pb.Policy) -> "MultiDict[str, str]":
    """Return the fields that the page has for a policy, as a browser sends them."""
    sent: MultiDict[str, str] = MultiDict({"version": str(shown.version)})
    if shown.is_shadow:
        sent["shadow"] = "on"
    sent["crisis_notice"] = shown.crisis_notice.replace("\n", "\r\n")
    for name in ("blocked_phrases", "allowed_phrases"):
        sent[name] = "\r\n".join(getattr(shown, name))
    places = [("district", shown.rules, None)]
    for place, each in enumerate(shown.overrides):
        sent[f"{place}.school"], sent[f"{place}.grades"] = each.school_id, ", ".join(each.grades)
        sent[f"{place}.shadow"] = ("on" if each.is_shadow else "off") if each.HasField("is_shadow") else ""
        for name in policies.PHRASES:
            sent[f"{place}.{name}"] = "\r\n".join(getattr(each, name))
        own = {rule.category for rule in each.rules}
        places.append((str(place), policies.merged_rules(shown.rules, each.rules), own))  # type: ignore[arg-type]
    for at, rules, own in places:  # type: ignore[assignment]
        for each_rule in rules:
            field = f"{at}.{policies.key_of(each_rule)}"
            sent[f"{field}.hold"] = policies.score_words(each_rule.hold_threshold)
            sent[f"{field}.watch"] = policies.score_words(each_rule.watch_threshold)
            sent[f"{field}.tier"] = str(each_rule.tier)
            if each_rule.is_on:
                sent[f"{field}.on"] = "on"
            if own and each_rule.category in own:
                sent[f"{field}.differs"] = "on"
    return sent


STRICT = pb.PolicyOverride(school_id="s1", grades=["05", "06"], rules=[rule(types.CATEGORY_INSULT, 0.4321, 0.2)])
FOREIGN = pb.PolicyOverride(school_id="s2", rules=[rule(types.CATEGORY_INSULT, 0.9, 0.9)])


def test_a_form_that_was_not_touched_says_the_same_policy() -> None:
    awake = pb.PolicyOverride(school_id="s1", is_shadow=False, allowed_phrases=["raiders"], blocked_phrases=["barn"])
    shown = policy(STRICT, FOREIGN, awake, pb.PolicyOverride(grades=["12"], is_shadow=True))
    shown.blocked_phrases.append("old mill")
    shown.crisis_notice = "Call 988.\nDay and night."
    read = policies.read_form(fields(shown), shown, ALL)
    assert (read.whole(), read.wrong) == (shown, {})


def test_who_sees_one_school_reads_and_keeps_the_rest() -> None:
    shown = policies.form_of(policy(FOREIGN, STRICT), ONE)
    assert list(shown.policy.overrides) == [STRICT]
    sent = fields(shown.policy)
    sent["district.insult.hold"], sent["0.insult.hold"], sent["shadow"] = "0.1", "0.3", "on"
    read = policies.read_form(sent, policy(FOREIGN, STRICT), ONE).whole()
    assert (read.rules, read.is_shadow) == (policy().rules, False)
    assert [each.school_id for each in read.overrides] == ["s1", "s2"]
    assert read.overrides[0].rules[0].hold_threshold == 0.3


def test_a_changed_field_of_an_exception_counts_without_its_tick_and_an_untouched_row_does_not() -> None:
    sent = fields(policy(STRICT))
    sent["0.self_harm.hold"] = "0.6"
    sent["district.self_harm.tier"] = "1"
    read = policies.read_form(sent, policy(STRICT), ALL).policy
    assert [each.category for each in read.overrides[0].rules] == [types.CATEGORY_INSULT, types.CATEGORY_SELF_HARM]
    sent["0.self_harm.hold"] = "0.8"
    read = policies.read_form(sent, policy(STRICT), ALL).policy
    assert [each.category for each in read.overrides[0].rules] == [types.CATEGORY_INSULT]


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("district.insult.hold", "much", "district.insult"),
        ("district.insult.hold", "nan", "district.insult"),
        ("district.insult.watch", "1.5", "district.insult"),
        ("district.self_harm.watch", "0.9", "district.self_harm"),
        ("0.insult.hold", "", "0.insult"),
    ],
)
def test_what_cannot_be_read_is_named_at_its_row(field: str, value: str, wrong: str) -> None:
    sent = fields(policy(STRICT))
    sent[field] = value
    assert list(policies.read_form(sent, policy(STRICT), ALL).wrong) == [wrong]


def test_an_exception_is_removed_by_its_box_and_one_without_a_difference_is_refused() -> None:
    sent = fields(policy(STRICT, pb.PolicyOverride(school_id="s1")))
    sent["0.remove"] = "on"
    read = policies.read_form(sent, policy(STRICT), ALL)
    assert [each.grades for each in read.policy.overrides] == [[]]
    assert list(read.wrong) == ["0.rules"]


def test_what_moderation_refuses_is_shown_at_its_field() -> None:
    form = policies.form_of(policy(STRICT), ALL)
    places = [("/rules/1/tier", "A tier is 1, 2 or 3."), ("/overrides/0/rules/0", "No."), ("/note", "Say why.")]
    places.append(("/overrides/0/blocked_phrases", "At most 200."))
    policies.refused(form, InvalidArgument("POLICY_INVALID", "No.", violations=places))
    assert list(form.wrong) == ["district.self_harm", "0.rules", "note", "0.blocked_phrases"]


def test_a_change_is_said_in_sentences() -> None:
    after = policy(STRICT)
    after.rules[0].hold_threshold, after.rules[0].tier = 0.75, 1
    after.rules[1].is_on = False
    after.is_shadow = True
    after.blocked_phrases.append("old mill")
    assert policies.changes(policy(), after, TITLES) == [
        "Insult: withheld from 0.75 instead of 0.80, most urgent instead of urgent.",
        "Self-harm: switched off.",
        "Shadow mode is switched on.",
        "Blocked phrases added: old mill.",
        "A new exception for Lincoln High, grades 5, 6: insult withheld from 0.4321, noted from 0.20.",
    ]
    assert policies.changes(after, policy(), TITLES)[-1] == "The exception for Lincoln High, grades 5, 6 is removed."
    assert policies.changes(policy(), policy(), TITLES) == []
    helping = pb.Policy()
    helping.CopyFrom(policy())
    helping.crisis_notice = "Call 988."
    assert policies.changes(policy(), helping, TITLES) == ["The crisis notice says: Call 988."]
    assert policies.changes(helping, policy(), TITLES) == ["No crisis notice."]


def test_shadow_mode_and_phrases_of_an_exception_are_said_too() -> None:
    plain = pb.PolicyOverride(school_id="s1", is_shadow=True, blocked_phrases=["old mill"])
    assert policies.changes(policy(), policy(plain), TITLES) == [
        "A new exception for Lincoln High: shadow mode on, blocked: old mill."
    ]
    other = pb.PolicyOverride(school_id="s1", allowed_phrases=["raiders"], rules=[rule(types.CATEGORY_INSULT)])
    assert policies.changes(policy(plain), policy(other), TITLES)[1:] == [
        "Lincoln High: shadow mode as for everybody else.",
        "Lincoln High: blocked phrases removed: old mill.",
        "Lincoln High: allowed phrases added: raiders.",
    ]


def test_a_change_of_the_first_of_two_exceptions_for_the_same_is_said() -> None:
    one, other = (pb.PolicyOverride(school_id="s1", blocked_phrases=[word]) for word in ("mill", "barn"))
    changed = pb.PolicyOverride(school_id="s1", blocked_phrases=["old mill"])
    assert policies.changes(policy(one, other), policy(changed, other), TITLES) == [
        "Lincoln High: blocked phrases added: old mill.",
        "Lincoln High: blocked phrases removed: mill.",
    ]
    assert policies.changes(policy(one), policy(one, other), TITLES) == [
        "A new exception for Lincoln High (2): blocked: barn."
    ]


@pytest.mark.parametrize("tier", ["", "12", "4", "²"])
def test_an_urgency_that_there_is_not_is_read_as_none(tier: str) -> None:
    sent = fields(policy())
    sent["district.insult.tier"] = tier
    assert policies.read_form(sent, policy(), ALL).policy.rules[0].tier == 0


def test_the_grades_of_an_exception_are_those_of_the_roster_or_refused() -> None:
    sent = fields(policy(STRICT))
    sent["0.grades"] = "5-6, K"
    read = policies.read_form(sent, policy(STRICT), ALL, {"KG", "05", "06"})
    assert (read.wrong, list(read.policy.overrides[0].grades)) == ({}, ["05", "06", "KG"])
    assert policies.scope_words(read.policy.overrides[0], TITLES) == "Lincoln High, grades 5, 6, K"
    sent["0.grades"] = "5, 12"
    read = policies.read_form(sent, policy(STRICT), ALL, {"KG", "05", "06"})
    assert list(read.wrong) == ["0.grades"]
    assert list(read.policy.overrides[0].grades) == ["05", "12"]


def test_a_phrase_that_comes_goes_or_moves_to_others_is_told_from_one_that_stays() -> None:
    here = pb.PolicyOverride(school_id="s1", blocked_phrases=["mill"])
    before = policy(here)
    before.blocked_phrases.extend(["a", "b"])
    after = policy(pb.PolicyOverride(school_id="s2"), here)
    after.blocked_phrases.extend(["b", "a"])
    assert policies.has_same_phrases(before, after)
    after.overrides[1].grades.append("09")
    assert not policies.has_same_phrases(before, after)
    assert not policies.has_same_phrases(before, policy(here))
    allowed = policy(pb.PolicyOverride(school_id="s1", allowed_phrases=["mill"]))
    assert not policies.has_same_phrases(policy(here), allowed)
