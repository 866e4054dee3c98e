"""Pure rules of screening: scores and a policy make a decision.

A category holds or watches a message when its score reaches the policy's threshold. For a school or some grades
overrides replace the rules of some categories, switch shadow mode on or off and add phrases; all that fit count, the
nearest most. Under shadow mode the decision is recorded and nothing is held (statement 304).
A category that the provider did not evaluate is never taken as clean (statement 166): see judging.py.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.kit.errors import InvalidArgument, PermissionDenied


class Category(StrEnum):
    """The ten labels (statement 164)."""

    TOXICITY = "toxicity"
    SEVERE_TOXICITY = "severe_toxicity"
    PROFANITY = "profanity"
    INSULT = "insult"
    DISCRIMINATION = "discrimination"
    THREAT = "threat"
    SELF_HARM = "self_harm"
    SELF_HARM_INTENT = "self_harm_intent"
    SELF_HARM_DIRECTION = "self_harm_direction"
    VIOLENCE = "violence"


class Decision(StrEnum):
    """What becomes of a message."""

    CLEAN = "clean"
    WATCH = "watch"
    HOLD = "hold"


class Trouble(StrEnum):
    """Why the vendor does not judge."""

    SILENT = "silent"
    """It does not answer, or nothing that is of use."""
    QUOTA = "quota"
    REFUSED = "refused"
    """It does not accept our key, what we ask for with it, or text after text."""


@dataclass(frozen=True)
class Rule:
    """How one category is judged. Thresholds are 0 to 1; tier 1 is the most urgent of 3."""

    category: Category
    is_on: bool
    hold_threshold: float
    watch_threshold: float
    tier: int


@dataclass(frozen=True)
class Override:
    """What holds for a school (empty: all) and grades (empty: all): rules in place of the district's, more phrases."""

    school_id: str
    grades: tuple[str, ...]
    rules: tuple[Rule, ...]
    is_shadow: bool | None = None
    """None: as it is for everybody else."""
    blocked_phrases: tuple[str, ...] = ()
    allowed_phrases: tuple[str, ...] = ()

    def fits(self, school_id: str, grade: str) -> bool:
        """Tell whether it is for a sender."""
        is_here = self.school_id in ("", school_id)
        return is_here and (not self.grades or _bare(grade) in map(_bare, self.grades))

    @property
    def nearness(self) -> tuple[bool, bool]:
        """How near it is to a sender: for a school is nearer than for grades, for both nearer still."""
        return bool(self.school_id), bool(self.grades)


@dataclass(frozen=True)
class Policy:
    """What the district decided. Phrases are compared after normalisation, as whole words."""

    version: int
    rules: tuple[Rule, ...]
    overrides: tuple[Override, ...] = ()
    is_shadow: bool = False
    blocked_phrases: tuple[str, ...] = ()
    allowed_phrases: tuple[str, ...] = ()
    crisis_notice: str = ""
    """What a student reads whose message is withheld for self-harm; empty: nothing."""

    def of(self, school_id: str, grade: str) -> "Policy":
        """Return what holds for a sender, as a policy without overrides.

        All that fit count: of two that speak of the same category, or of shadow mode, the nearer one, and of two that
        are equally near the first. Phrases come from all of them: what the district blocks is blocked for everybody.
        """
        fitting = [each for each in self.overrides if each.fits(school_id, grade)]
        if not fitting:
            return replace(self, overrides=())
        nearest_first = sorted(fitting, key=lambda one: one.nearness, reverse=True)
        rules: dict[Category, Rule] = {}
        for layer in [*(each.rules for each in nearest_first), self.rules]:
            rules = {rule.category: rule for rule in layer} | rules
        said = [each.is_shadow for each in nearest_first if each.is_shadow is not None]
        return replace(
            self,
            rules=tuple(rules.values()),
            overrides=(),
            is_shadow=said[0] if said else self.is_shadow,
            blocked_phrases=_united(self.blocked_phrases, (each.blocked_phrases for each in fitting)),
            allowed_phrases=_united(self.allowed_phrases, (each.allowed_phrases for each in fitting)),
        )

    def rules_for(self, school_id: str, grade: str) -> dict[Category, Rule]:
        """Return the rules for a sender."""
        return {rule.category: rule for rule in self.of(school_id, grade).rules}


def _united(first: tuple[str, ...], others: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(phrase for phrases in (first, *others) for phrase in phrases))


def _bare(grade: str) -> str:
    """Return a grade as it is compared: rosters write "09" where people and other systems write "9"."""
    return grade.strip().casefold().lstrip("0")


@dataclass(frozen=True)
class Explanation:
    """The sentence that carried a category's score, as the normaliser reads it, and its weightiest words."""

    sentence: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.sentence} (above all: {', '.join(self.words)})" if self.words else self.sentence


@dataclass(frozen=True)
class Judgement:
    """What a provider says of a message: scores of the categories that it evaluated, each 0 to 1."""

    scores: Mapping[Category, float]
    provider: str
    model: str
    explanations: Mapping[Category, Explanation] = field(default_factory=dict)
    """Why, for the categories of which the provider can say it."""
    is_uncertain: bool = False
    """The text is in a language that the model does not know, or encoded: somebody should look."""
    language: str = ""
    """In which the embedded model read the text, where it is sure of it."""
    doubts: frozenset[Category] = frozenset()
    """By which the embedded model would hold it, whatever the vendor says: somebody should look."""


UNJUDGED = Judgement({}, provider="nobody", model="", is_uncertain=True)
"""In place of the judgement on a message on which judging fails again and again."""


@dataclass(frozen=True)
class Outcome:
    """A decision with what carried it."""

    decision: Decision
    tier: int
    holds: frozenset[Category]
    watches: frozenset[Category]


MOST_PHRASES = 1000
LONGEST_PHRASE = 200
LONGEST_NOTE = 500
LONGEST_NOTICE = 1000
MOST_OVERRIDES = 100
MOST_OWN_PHRASES = 200
"""Phrases of each kind that an override adds."""


def decide(policy: Policy, judgement: Judgement, school_id: str, grade: str, *, is_blocked: bool) -> Outcome:
    """Return what the policy makes of a judgement. A blocked phrase in the text always holds it (is_blocked).

    So does a judgement without any score: what nothing could be said of is for a person to read. Doubts only watch.
    """
    policy = policy.of(school_id, grade)
    on = {rule.category: rule for rule in policy.rules if rule.is_on}
    scores = {name: judgement.scores.get(name, 0.0) for name in on}
    holds = frozenset(name for name, rule in on.items() if scores[name] >= rule.hold_threshold)
    near = frozenset(name for name, rule in on.items() if scores[name] >= rule.watch_threshold)
    watches = (near | judgement.doubts.intersection(on)) - holds
    is_held_anyway = is_blocked or not judgement.scores
    tier = min((on[name].tier for name in holds), default=2 if is_held_anyway else 0)
    if holds or is_held_anyway:
        decision = Decision.WATCH if policy.is_shadow else Decision.HOLD
    else:
        decision = Decision.WATCH if watches or judgement.is_uncertain else Decision.CLEAN
    return Outcome(decision, tier, holds, watches)


def explain(policy: Policy, judgement: Judgement, outcome: Outcome, school_id: str, grade: str) -> str:
    """Return what carried a decision: why the gravest category scored that holds, or that watches if none holds.

    The gravest is the one of the most urgent tier, and of several the one that is farthest above its threshold.
    """
    rules = policy.rules_for(school_id, grade)

    def gravity(name: Category) -> tuple[int, float]:
        rule = rules[name]
        threshold = rule.hold_threshold if outcome.holds else rule.watch_threshold
        return rule.tier, threshold - judgement.scores[name]

    gravest_first = sorted(outcome.holds or outcome.watches, key=gravity)
    return next((str(judgement.explanations[name]) for name in gravest_first if name in judgement.explanations), "")


def check_policy(policy: Policy) -> Policy:
    """Return the policy with all ten rules in order. InvalidArgument names each field that is wrong."""
    wrong = _check_rules("/rules", policy.rules)
    missing = set(Category) - {rule.category for rule in policy.rules}
    wrong += [("/rules", f"There is no rule for {name}.") for name in sorted(missing)]
    if len(policy.overrides) > MOST_OVERRIDES:
        wrong.append(("/overrides", f"At most {MOST_OVERRIDES} exceptions are allowed."))
    for place, override in enumerate(policy.overrides):
        if (
            len(override.school_id) > 100
            or len(override.grades) > 20
            or any(len(each) > 20 for each in override.grades)
            or "\x00" in override.school_id + "".join(override.grades)
        ):
            wrong.append((f"/overrides/{place}", "A school and at most 20 grades are named."))
        wrong += _check_rules(f"/overrides/{place}/rules", override.rules)
        wrong += _check_phrases(f"/overrides/{place}", override, MOST_OWN_PHRASES)
    wrong += _check_phrases("", policy, MOST_PHRASES)
    if len(policy.crisis_notice) > LONGEST_NOTICE or "\x00" in policy.crisis_notice:
        wrong.append(("/crisis_notice", f"At most {LONGEST_NOTICE:,} characters are allowed."))
    if wrong:
        raise InvalidArgument("POLICY_INVALID", "The policy is not valid.", violations=wrong)
    order = list(Category)
    return replace(policy, rules=tuple(sorted(policy.rules, key=lambda rule: order.index(rule.category))))


def check_note(note: str) -> str:
    """Return why a policy was changed, without space around it. InvalidArgument when it says nothing or too much."""
    said = note.strip()
    if not 0 < len(said) <= LONGEST_NOTE or "\x00" in said:
        wrong = [("/note", f"Say why in 1 to {LONGEST_NOTE} characters.")]
        raise InvalidArgument("POLICY_NOTE_NEEDED", "Say why the policy is changed.", violations=wrong)
    return said


def check_reach(before: Policy, after: Policy, schools: Set[str]) -> None:
    """Raise PermissionDenied when the change touches more than the overrides of these schools ("*": the district).

    Shadow mode is the district's in these, too: it lets go what the district's own phrases block.
    """
    if "*" in schools:
        return

    def foreign(policy: Policy) -> Policy:
        others = tuple(each for each in policy.overrides if each.school_id not in schools)
        return replace(policy, version=0, overrides=others)

    if foreign(before) != foreign(after):
        raise PermissionDenied("POLICY_BEYOND_SCHOOLS", "You can change the exceptions of your own schools alone.")
    if _shadows(before) != _shadows(after):
        raise PermissionDenied("POLICY_BEYOND_SCHOOLS", "Shadow mode is set by somebody who sees the whole district.")


def _shadows(policy: Policy) -> list[tuple[str, tuple[str, ...], bool]]:
    """Return for whom overrides set shadow mode, and how; within a school in their order, which counts."""
    said = ((each.school_id, each.grades, each.is_shadow) for each in policy.overrides)
    found = [(school, grades, is_shadow) for school, grades, is_shadow in said if is_shadow is not None]
    return sorted(found, key=lambda one: one[0])


def _check_phrases(pointer: str, part: Policy | Override, most: int) -> list[tuple[str, str]]:
    def is_wrong(phrases: Sequence[str]) -> bool:
        return len(phrases) > most or any(not 0 < len(one) <= LONGEST_PHRASE or "\x00" in one for one in phrases)

    detail = f"At most {most} phrases of 1 to {LONGEST_PHRASE} characters are allowed."
    names = ("blocked_phrases", "allowed_phrases")
    return [(f"{pointer}/{name}", detail) for name in names if is_wrong(getattr(part, name))]


def _check_rules(pointer: str, rules: Sequence[Rule]) -> list[tuple[str, str]]:
    wrong = []
    names = [rule.category for rule in rules]
    if len(set(names)) != len(names):
        wrong.append((pointer, "A category has two rules."))
    for place, rule in enumerate(rules):
        if not 0 <= rule.watch_threshold <= rule.hold_threshold <= 1:
            detail = "Thresholds are 0 to 1, and the watch threshold is at most the hold threshold."
            wrong.append((f"{pointer}/{place}", detail))
        if not 1 <= rule.tier <= 3:
            wrong.append((f"{pointer}/{place}/tier", "A tier is 1, 2 or 3."))
    return wrong
