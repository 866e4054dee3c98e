"""The screening policy as its page shows and reads it: fields of the form, and a change in words.

Fields are named by their place: `district.threat.hold`, `0.insult.tier` (the first exception). Exceptions that the
person may not see are kept as they are.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from protos.moderation.v1 import moderation_pb2 as pb
from services.gateway import grades, words
from services.kit.errors import ServiceError, Violation

DISTRICT = "district"
MOST_EXCEPTIONS = 100
_RULE_FIELDS = (("hold", "hold_threshold"), ("watch", "watch_threshold"))
_TIERS = {"1": 1, "2": 2, "3": 3}
_SHADOWS = {"on": True, "off": False}
PHRASES = {"blocked_phrases": "Blocked", "allowed_phrases": "Allowed"}


@dataclass
class Form:
    """A policy as it was filled in, and what is wrong with the fields by their names."""

    policy: pb.Policy
    wrong: dict[str, str] = field(default_factory=dict)
    foreign: list[pb.PolicyOverride] = field(default_factory=list)
    """Exceptions of schools that the person does not see: kept, not shown."""

    def whole(self) -> pb.Policy:
        """Return the policy with the exceptions that are not shown; the shown ones come first."""
        whole = pb.Policy()
        whole.CopyFrom(self.policy)
        whole.overrides.extend(self.foreign)
        return whole

    @property
    def digest(self) -> str:
        """What the policy says, for telling whether it was changed after it was tried."""
        return hashlib.sha256(self.whole().SerializeToString(deterministic=True)).hexdigest()


def form_of(policy: pb.Policy, schools: frozenset[str]) -> Form:
    """Return the form that shows a policy to somebody who sees these schools ("*": every one)."""
    shown = pb.Policy()
    shown.CopyFrom(policy)
    foreign = [each for each in policy.overrides if not _is_theirs(each, schools)]
    del shown.overrides[:]
    shown.overrides.extend(each for each in policy.overrides if _is_theirs(each, schools))
    return Form(shown, foreign=foreign)


def _is_theirs(override: pb.PolicyOverride, schools: frozenset[str]) -> bool:
    return "*" in schools or override.school_id in schools


def read_form(
    values: "MultiDict[str, str]", base: pb.Policy, schools: frozenset[str], known: Collection[str] = ()
) -> Form:
    """Return what was filled in over the policy that the page showed. Who does not see every school keeps its rules.

    `known` are the grades that schools have.
    """
    form = form_of(base, schools)
    del form.policy.overrides[:]
    if "*" in schools:
        form.policy.is_shadow = "shadow" in values
        form.policy.crisis_notice = values.get("crisis_notice", "").replace("\r\n", "\n").strip()
        for name in PHRASES:
            del getattr(form.policy, name)[:]
            getattr(form.policy, name).extend(_lines(values.get(name, "")))
        for rule in form.policy.rules:
            _read_rule(form, DISTRICT, rule, values)
    for place in _exceptions_of(values):
        form.policy.overrides.append(_read_exception(form, str(place), base, values, known))
    return form


def _exceptions_of(values: Mapping[str, str]) -> Iterator[int]:
    for place in range(MOST_EXCEPTIONS):
        if f"{place}.school" in values and f"{place}.remove" not in values:
            yield place


def _read_exception(
    form: Form, place: str, base: pb.Policy, values: "MultiDict[str, str]", known: Collection[str]
) -> pb.PolicyOverride:
    # The page counts on from what it shows, so a removed exception leaves no gap in the names.
    at = str(len(form.policy.overrides))
    found = pb.PolicyOverride(school_id=values.get(f"{place}.school", ""))
    named, strange = grades.read(values.get(f"{place}.grades", "")[:200], known)
    found.grades.extend([*named, *strange])
    if strange:
        form.wrong[f"{at}.grades"] = f"No school has the grade {strange[0]}. Write grades like K, 5 or 6-8."
    for rule, district in zip(base.rules, form.policy.rules, strict=True):
        own = pb.CategoryRule(category=rule.category)
        _read_rule(form, place, own, values, at)
        # Who changes a field means it, ticked or not; a row that was left alone follows the district.
        if f"{place}.{key_of(rule)}.differs" in values or own not in (rule, district):
            found.rules.append(own)
    shadow = _SHADOWS.get(values.get(f"{place}.shadow", ""))
    if shadow is not None:
        found.is_shadow = shadow
    for name in PHRASES:
        getattr(found, name).extend(_lines(values.get(f"{place}.{name}", "")))
    if not (found.rules or found.HasField("is_shadow") or found.blocked_phrases or found.allowed_phrases):
        form.wrong[f"{at}.rules"] = "Say what differs: tick a category, choose shadow mode, add a phrase; or remove it."
    return found


def _read_rule(form: Form, place: str, rule: pb.CategoryRule, values: Mapping[str, str], at: str = DISTRICT) -> None:
    key = key_of(rule)
    rule.is_on = f"{place}.{key}.on" in values
    rule.tier = _TIERS.get(values.get(f"{place}.{key}.tier", ""), 0)
    for name, attribute in _RULE_FIELDS:
        try:
            score = float(values.get(f"{place}.{key}.{name}", ""))
        except ValueError:
            score = -1.0
        if not 0 <= score <= 1:
            form.wrong[f"{at}.{key}"] = "A score is a number from 0 to 1."
            continue
        setattr(rule, attribute, score)
    if f"{at}.{key}" not in form.wrong and rule.watch_threshold > rule.hold_threshold:
        form.wrong[f"{at}.{key}"] = "The score to note from is at most the score to hold from."


def merged_rules(district: Sequence[pb.CategoryRule], own: Sequence[pb.CategoryRule]) -> list[pb.CategoryRule]:
    """Return the rules of an exception: its own, and the district's for the categories that do not differ."""
    by_category = {rule.category: rule for rule in own}
    return [by_category.get(rule.category, rule) for rule in district]


def key_of(rule: pb.CategoryRule) -> str:
    """Return the category's name in the form's fields."""
    return words.CATEGORIES[rule.category].lower().replace(" ", "_").replace("-", "_")


def refused(form: Form, problem: ServiceError) -> None:
    """Put what moderation found wrong to the fields that it speaks of."""
    for each in problem.violations:
        form.wrong.setdefault(_field_of(each, form), each.detail)


def _field_of(violation: Violation, form: Form) -> str:
    parts = violation.pointer.strip("/").split("/")
    if parts[0] == "rules" and len(parts) > 1:
        return f"{DISTRICT}.{key_of(form.policy.rules[int(parts[1])])}"
    if parts[0] == "overrides" and len(parts) > 1:
        return f"{parts[1]}.{parts[2] if parts[2:] and parts[2] in PHRASES else 'rules'}"
    return parts[0]


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def changes(before: pb.Policy, after: pb.Policy, schools: Mapping[str, str]) -> list[str]:
    """Return in sentences what a policy changes; schools are titles by id."""
    said = list(_rule_changes("", before.rules, after.rules))
    if before.is_shadow != after.is_shadow:
        said.append("Shadow mode is switched on." if after.is_shadow else "Shadow mode is switched off.")
    said += _phrase_changes("", before, after)
    if before.crisis_notice != after.crisis_notice:
        said.append(f"The crisis notice says: {after.crisis_notice}" if after.crisis_notice else "No crisis notice.")
    old, new = (_by_scope(each.overrides, schools) for each in (before, after))
    said += [f"The exception for {name} is removed." for name in old if name not in new]
    for name, each in new.items():
        if name not in old:
            said.append(f"A new exception for {name}: {', '.join(exception_words(each))}.")
        else:
            said += _rule_changes(f"{name}, ", old[name].rules, each.rules)
            if _shadow_of(old[name]) != _shadow_of(each):
                said.append(f"{name}: {shadow_words(each)}.")
            said += _phrase_changes(f"{name}: ", old[name], each)
    return said


def has_same_phrases(before: pb.Policy, after: pb.Policy) -> bool:
    """Tell whether no phrase comes or goes, for anybody."""
    return _phrases(before) == _phrases(after)


def _phrases(policy: pb.Policy) -> set[tuple[str, str, tuple[str, ...], str]]:
    parts = [("", (), policy), *((each.school_id, tuple(each.grades), each) for each in policy.overrides)]
    return {
        (name, school, its_grades, phrase)
        for school, its_grades, part in parts
        for name in PHRASES
        for phrase in getattr(part, name)
    }


def _by_scope(overrides: Sequence[pb.PolicyOverride], schools: Mapping[str, str]) -> dict[str, pb.PolicyOverride]:
    """Return exceptions by whom they are for; a second one for the same is told apart by its number."""
    found: dict[str, pb.PolicyOverride] = {}
    seen: Counter[str] = Counter()
    for each in overrides:
        scope = scope_words(each, schools)
        seen[scope] += 1
        found[f"{scope} ({seen[scope]})" if seen[scope] > 1 else scope] = each
    return found


def exception_words(exception: pb.PolicyOverride) -> Iterator[str]:
    """Yield what differs: "threat off", "shadow mode on", "blocked: old mill"."""
    yield from (category_words(rule) for rule in exception.rules)
    if exception.HasField("is_shadow"):
        yield shadow_words(exception)
    for name, kind in PHRASES.items():
        if phrases := getattr(exception, name):
            yield f"{kind.lower()}: {', '.join(phrases)}"


def shadow_words(exception: pb.PolicyOverride) -> str:
    """Return what an exception says of shadow mode."""
    if not exception.HasField("is_shadow"):
        return "shadow mode as for everybody else"
    return f"shadow mode {'on' if exception.is_shadow else 'off'}"


def _shadow_of(exception: pb.PolicyOverride) -> bool | None:
    return exception.is_shadow if exception.HasField("is_shadow") else None


def category_words(rule: pb.CategoryRule) -> str:
    """Return "threat withheld from 0.50, noted from 0.40", or that it is off."""
    name = words.CATEGORIES[rule.category].lower()
    if not rule.is_on:
        return f"{name} off"
    return f"{name} withheld from {score_words(rule.hold_threshold)}, noted from {score_words(rule.watch_threshold)}"


def scope_words(override: pb.PolicyOverride, schools: Mapping[str, str]) -> str:
    """Return whom an exception is for."""
    where = schools.get(override.school_id, "a school that is gone") if override.school_id else "every school"
    return f"{where}, grades {grades.in_words(override.grades)}" if override.grades else where


def score_words(score: float) -> str:
    """Return a score with two to six decimals."""
    short = f"{score:.6f}".rstrip("0")
    whole, _, decimals = short.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def _rule_changes(where: str, before: Sequence[pb.CategoryRule], after: Sequence[pb.CategoryRule]) -> Iterator[str]:
    old = {rule.category: rule for rule in before}
    for rule in after:
        was = old.pop(rule.category, None)
        name = where + words.CATEGORIES[rule.category].lower()
        name = name[0].upper() + name[1:]
        if was is None:
            yield f"{name}: no longer the district's rule."
        elif was.is_on != rule.is_on:
            yield f"{name}: switched {'on' if rule.is_on else 'off'}."
        elif was != rule:
            yield f"{name}: {', '.join(_differences(was, rule))}."
    for category in old:
        yield f"{where}{words.CATEGORIES[category].lower()}: the district's rule again."


def _differences(was: pb.CategoryRule, now: pb.CategoryRule) -> Iterator[str]:
    if was.hold_threshold != now.hold_threshold:
        yield f"withheld from {score_words(now.hold_threshold)} instead of {score_words(was.hold_threshold)}"
    if was.watch_threshold != now.watch_threshold:
        yield f"noted from {score_words(now.watch_threshold)} instead of {score_words(was.watch_threshold)}"
    if was.tier != now.tier:
        yield f"{words.TIERS[now.tier].lower()} instead of {words.TIERS[was.tier].lower()}"


def _phrase_changes(
    where: str, before: pb.Policy | pb.PolicyOverride, after: pb.Policy | pb.PolicyOverride
) -> Iterator[str]:
    for name, word in PHRASES.items():
        kind = f"{where}{word.lower()}" if where else word
        was, now = set(getattr(before, name)), set(getattr(after, name))
        if now - was:
            yield f"{kind} phrases added: {', '.join(sorted(now - was))}."
        if was - now:
            yield f"{kind} phrases removed: {', '.join(sorted(was - now))}."
