"""Keeping attendance rules: who may make which, and the record of every change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.auth import Caller
from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)
from services.queue import attending, settings_out
from services.queue.actions.reuse import reused
from services.queue.actions.standing import Known, KnownSender
from services.queue.attending import MAX_PER_OWNER, Change, Rule, Run
from services.queue.domain import CALL_OUT
from services.queue.keys import Key
from services.queue.records import ROLE_ADMIN, ROLE_TEACHER
from services.queue.store import absences, attendance_rules, messages
from services.queue.store.attendance_rules import Listing, RuleSight

MANAGE = "manage_attendance"
_SEND = "send_messages"
_RUNS_SHOWN, _CHANGES_SHOWN = 30, 20


@dataclass(frozen=True)
class Whole:
    """A rule with what it did and what was done to it."""

    rule: Rule
    runs: Sequence[Run]
    changes: Sequence[Change]


def check_sender(sender: KnownSender | None) -> KnownSender:
    """Return the owner of a rule, who may send in its name; NotFound or PermissionDenied otherwise."""
    if sender is None:
        raise NotFound("SENDER_UNKNOWN", "Its sender has no active account any more.")
    if sender.role not in {ROLE_ADMIN, ROLE_TEACHER} or not {MANAGE, _SEND} <= sender.permissions:
        raise PermissionDenied("ATTENDANCE_NOT_ALLOWED", "Its sender's profile does not allow attendance messages.")
    return sender


def schools_for(wanted: Sequence[str], known: Known, caller: Caller, kept: Sequence[str] = ()) -> list[str]:
    """Return the schools of a rule; none for every school of the district. `kept` are those that it has already.

    InvalidArgument for one that is not known; PermissionDenied for one outside of the sender's or the caller's view;
    FailedPrecondition for one that is excluded from communication (statement 226), unless the rule keeps it: nobody is
    told there, and nothing is to be set again once it is included (statement 235).
    """
    sender = check_sender(known.sender)
    is_district = "*" in sender.visible_schools and (caller.viewer is None or caller.viewer.is_district_wide)
    if not wanted and is_district:
        return []
    chosen = sorted(set(wanted)) or sorted(
        each for each, school in known.schools.items() if each in sender.visible_schools and not school.is_excluded
    )
    if not chosen:
        raise InvalidArgument(
            "ATTENDANCE_RULE_INVALID", "No school is left.", violations=[("/content/school_ids", "Choose a school.")]
        )
    for school_id in chosen:
        _check_school(school_id, known, sender, caller)
        if school_id not in kept:
            check_not_excluded(known, school_id)
    return chosen


def _check_school(school_id: str, known: Known, sender: KnownSender, caller: Caller) -> None:
    school, wrong = known.schools.get(school_id), "/content/school_ids"
    if school is None:
        raise InvalidArgument(
            "SCHOOL_UNKNOWN", "A school is not known.", violations=[(wrong, "There is no such school.")]
        )
    is_senders = "*" in sender.visible_schools or school_id in sender.visible_schools
    if not is_senders or (caller.viewer and not caller.viewer.sees_school(school_id)):
        raise PermissionDenied("SCHOOL_NOT_YOURS", f"{school.title} is not one of your schools.")


def check_allowed(channels: Sequence[str], *, is_district: bool, known: Known, kept: Sequence[str] = ()) -> None:
    """Raise PermissionDenied or FailedPrecondition for a source or a channel that the owner may not use now.

    `kept` are the channels that the rule has already: they leave nothing while they are off, and stay.
    """
    sender = check_sender(known.sender)
    if is_district and "send_as_district" not in sender.permissions:
        raise PermissionDenied("DISTRICT_NOT_ALLOWED", "Your profile does not allow sending as the district.")
    if not known.modules.get("call_out", False) and (set(channels) - set(kept)) & CALL_OUT:
        raise FailedPrecondition("CALL_OUT_OFF", "The Call Out System is off: texts and calls cannot be sent.")


def check_not_excluded(known: Known, school_id: str) -> None:
    """Raise FailedPrecondition for a school that is excluded from communication (statement 226)."""
    school = known.schools.get(school_id)
    if school is not None and school.is_excluded:
        sentence = f"{school.title} is excluded from communication: attendance messages are not available to it."
        raise FailedPrecondition("SCHOOL_EXCLUDED", sentence)


async def create(engine: AsyncEngine, rule: Rule, caller: Caller, key: Key) -> Rule:
    """Keep a new rule. AlreadyExists when the key was used for something else, ResourceExhausted at the limit."""
    async with transaction(engine) as connection:
        earlier = await messages.remember_key(
            connection, caller.subject, key.key, key.request_hash, rule.rule_id, rule.created_at
        )
        if earlier is not None:
            found = await attendance_rules.find(connection, earlier[1])
            if earlier[0] != key.request_hash or found is None:
                raise await reused(connection, earlier[1])
            return found
        if await attendance_rules.count_of(connection, rule.owner_id) >= MAX_PER_OWNER:
            raise ResourceExhausted("TOO_MANY_RULES", f"One person keeps at most {MAX_PER_OWNER} attendance rules.")
        await attendance_rules.insert(connection, rule)
        await settings_out.tell_rule(connection, rule, "created")
    return rule


async def replace_content(engine: AsyncEngine, clock: Clock, caller: Caller, fresh: Rule) -> Rule:
    """Give a rule another content; `fresh.version` is the one that the editor saw.

    NotFound outside of the caller's view, PermissionDenied when it is not theirs to change, Aborted when it changed.
    """

    def change(found: Rule) -> Rule:
        if found.version != fresh.version:
            raise Aborted("ATTENDANCE_RULE_CHANGED", "It changed meanwhile. Read it again.")
        return attending.edited(found, fresh, clock())

    return await _changed(engine, caller, fresh.rule_id, "edited", change)


async def switch(engine: AsyncEngine, clock: Clock, caller: Caller, rule_id: str, *, is_on: bool) -> Rule:
    """Switch a rule on or off; one that stands so already stays as it is. Errors as in `replace_content`."""
    by, by_name = caller.subject, caller.name

    def change(found: Rule) -> Rule:
        if found.is_on == is_on:
            return found
        return replace(attending.switched(found, clock(), is_on=is_on), changed_by=by, changed_by_name=by_name)

    return await _changed(engine, caller, rule_id, "switched on" if is_on else "switched off", change)


async def remove(engine: AsyncEngine, clock: Clock, caller: Caller, rule_id: str) -> None:
    """Remove a rule: it is off for good and no longer seen. Errors as in `replace_content`."""
    by, by_name = caller.subject, caller.name
    async with transaction(engine) as connection:
        off = attending.switched(await _editable(connection, caller, rule_id), clock(), is_on=False)
        off = replace(off, changed_by=by, changed_by_name=by_name)
        await attendance_rules.update(connection, off, "removed")
        await attendance_rules.remove(connection, off)
        await settings_out.tell_rule(connection, off, "removed")


async def _changed(
    engine: AsyncEngine, caller: Caller, rule_id: str, what: str, change: Callable[[Rule], Rule]
) -> Rule:
    async with transaction(engine) as connection:
        found = await _editable(connection, caller, rule_id)
        fresh = change(found)
        if fresh.version != found.version:
            await attendance_rules.update(connection, fresh, what)
            await settings_out.tell_rule(connection, fresh, what)
    return fresh


async def get(engine: AsyncEngine, caller: Caller, rule_id: str) -> Whole:
    """Return a rule with its latest runs at the caller's schools and changes; NotFound outside of the caller's view."""
    viewer = caller.viewer
    async with transaction(engine) as connection:
        rule = await _seen(connection, caller, rule_id)
        is_every = viewer is None or viewer.is_district_wide or viewer.person_id == rule.owner_id
        schools = None if viewer is None or is_every else sorted(viewer.schools)
        runs = await absences.runs(connection, rule, schools, _RUNS_SHOWN)
        return Whole(rule, runs, await attendance_rules.changes(connection, rule_id, _CHANGES_SHOWN))


async def listed(
    engine: AsyncEngine, caller: Caller, listing: Listing, window: Callable[[int], tuple[int, int]]
) -> tuple[list[Rule], int]:
    """Return a page of the listed rules that the caller may see, and how many there are."""
    sight = _sight(caller)
    async with transaction(engine) as connection:
        total = await sight.count(connection, listing)
        limit, offset = window(total)
        return await sight.page(connection, listing, limit, offset), total


def may_edit(caller: Caller, rule: Rule) -> bool:
    """Tell whether the caller may change a rule: its maker, or an admin to whom all of its schools belong."""
    viewer = caller.viewer
    if viewer is None or viewer.person_id == rule.owner_id or viewer.is_district_wide:
        return True
    return viewer.role == "admin" and bool(rule.school_ids) and set(rule.school_ids) <= viewer.schools


def check_manager(caller: Caller) -> None:
    """Raise PermissionDenied for a person without the permission."""
    if caller.viewer and MANAGE not in caller.viewer.permissions:
        raise PermissionDenied("ATTENDANCE_NOT_ALLOWED", "Your profile does not include attendance rules.")


async def _editable(connection: AsyncConnection, caller: Caller, rule_id: str) -> Rule:
    found = await _seen(connection, caller, rule_id, lock=True)
    if not may_edit(caller, found):
        raise PermissionDenied("ATTENDANCE_RULE_NOT_YOURS", "This rule reaches schools that are not yours.")
    return found


async def _seen(connection: AsyncConnection, caller: Caller, rule_id: str, *, lock: bool = False) -> Rule:
    found = await attendance_rules.find(connection, rule_id, lock=lock)
    if found is None or not await _sight(caller).sees(connection, rule_id):
        raise NotFound("ATTENDANCE_RULE_NOT_FOUND", "There is no such attendance rule.")
    return found


def _sight(caller: Caller) -> RuleSight:
    viewer = caller.viewer
    if viewer is None:
        return RuleSight(None, ("*",))
    return RuleSight(viewer.person_id, viewer.schools if viewer.role == "admin" else ())
