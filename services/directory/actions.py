"""What directory does, one function each."""

from collections.abc import AsyncIterator, Collection, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from services.directory import messages
from services.directory.domain import STAFF, AudienceQuery, Permission, Role, schools_in_reach
from services.directory.store import audience, people
from services.kit.db import transaction
from services.kit.errors import InvalidArgument, NotFound

_RECIPIENTS_PER_PIECE = 500
_MOST_NAMED = 50
DISTRICT_WIDE = frozenset({"*"})


async def get_viewer(engine: AsyncEngine, person_id: str) -> pb.Viewer:
    """Return who a person is and may see. NotFound when unknown, inactive or without an account."""
    async with transaction(engine) as connection:
        row = await people.viewer(connection, person_id)
        if row is None:
            raise NotFound("PERSON_UNKNOWN", "There is no active account for this person.")
        school_ids = row["school_ids"] or []
        if row["role"] == Role.PARENT:
            school_ids = await _schools_of_students(connection, row)
    return pb.Viewer(
        person=messages.person_message(row),
        permissions=row["permissions"],
        school_ids=school_ids,
        is_district_wide=row["is_district_wide"],
        profile_name=row["profile_name"],
        modules=row["modules"] or [],
    )


async def _schools_of_students(connection: AsyncConnection, guardian: people.Row) -> list[str]:
    related = await people.relations_of(connection, guardian["person_id"])
    students = await people.people_by_id(connection, [other for other, kind in related if kind == "student"])
    # Of a family that left altogether the last ones; otherwise those where a child is now.
    there = [each for each in students if each["is_active"] or not guardian["is_active"]]
    return sorted({school for each in there for school in each["school_ids"] or []})


async def get_person(engine: AsyncEngine, person_id: str, viewer_schools: frozenset[str]) -> pb.GetPersonResponse:
    """Return a person with contacts and relations, of a guardian's students those whose schools the viewer sees.

    NotFound also when neither their schools nor those of their students are the viewer's.
    """
    async with transaction(engine) as connection:
        row = next(iter(await people.people_by_id(connection, [person_id])), None)
        if row is None:
            raise NotFound("PERSON_UNKNOWN", "There is no such person.")
        schools = [*(row["school_ids"] or []), *await _schools_of_students(connection, row)]
        if "*" not in viewer_schools and not viewer_schools & set(schools):
            raise NotFound("PERSON_UNKNOWN", "There is no such person.")
        contacts = (await people.contacts_of(connection, [person_id])).get(person_id, [])
        related = await people.relations_of(connection, person_id)
        others = {
            each["person_id"]: each for each in await people.people_by_id(connection, [other for other, _ in related])
        }
    seen = [
        pb.Relation(person=messages.person_message(others[other]), kind=kind)
        for other, kind in related
        if kind != "student" or "*" in viewer_schools or viewer_schools & set(others[other]["school_ids"] or [])
    ]
    return pb.GetPersonResponse(
        person=messages.person_message(row),
        contacts=[messages.contact_message(each) for each in contacts],
        relations=seen,
    )


async def list_permission_holders(
    engine: AsyncEngine, permission: str, school_ids: Collection[str] | None
) -> list[pb.Recipient]:
    """Return the holders in reach of one of the schools, None for any, with their destinations.

    Nobody is in reach of no school. InvalidArgument for an unknown permission.
    """
    if permission not in set(Permission):
        raise InvalidArgument("UNKNOWN_PERMISSION", violations=[("/permission", "There is no such permission.")])
    if school_ids is not None and not school_ids:
        return []
    async with transaction(engine) as connection:
        rows = await people.permission_holders(connection, permission, school_ids)
        contacts = await people.contacts_of(connection, [row["person_id"] for row in rows])
    return [
        messages.recipient_message(row, contacts.get(row["person_id"], []), (row["school_ids"] or [""])[0], None)
        for row in rows
    ]


async def resolve_audience(
    engine: AsyncEngine, query: AudienceQuery, viewer_schools: frozenset[str]
) -> AsyncIterator[list[pb.Recipient]]:
    """Yield the recipients of an audience, up to 500 at a time, as they are at the start of the call."""
    async with transaction(engine) as connection:
        found = (await _targets(connection, query, viewer_schools))[0]
    for start in range(0, len(found), _RECIPIENTS_PER_PIECE):
        piece = found[start : start + _RECIPIENTS_PER_PIECE]
        # A transaction a piece: a slow reader must not hold a snapshot open.
        async with transaction(engine) as connection:
            yield await _recipients(connection, piece)


async def _targets(
    connection: AsyncConnection, query: AudienceQuery, viewer_schools: frozenset[str]
) -> tuple[list[audience.Target], list[tuple[str, int]]]:
    rows = {row["school_id"]: row for row in await people.all_schools(connection)}
    excluded = {school_id: row["is_excluded"] for school_id, row in rows.items()}
    reached, left_out = schools_in_reach(query, excluded, viewer_schools)
    found = await audience.targets(connection, query, sorted(reached))
    missed = [
        (rows[each]["title"], len(await audience.targets(connection, query, [each]))) for each in sorted(left_out)
    ]
    return found, missed


async def _recipients(connection: AsyncConnection, piece: Sequence[audience.Target]) -> list[pb.Recipient]:
    wanted = {each.person_id for each in piece} | {each.student_id for each in piece if each.student_id}
    rows = {row["person_id"]: row for row in await people.people_by_id(connection, wanted)}
    contacts = await people.contacts_of(connection, {each.person_id for each in piece})
    return [
        messages.recipient_message(
            rows[each.person_id], contacts.get(each.person_id, []), each.school_id, rows.get(each.student_id or "")
        )
        for each in piece
        if each.person_id in rows
    ]


async def preview_audience(
    engine: AsyncEngine, query: AudienceQuery, viewer_schools: frozenset[str]
) -> pb.PreviewAudienceResponse:
    """Return how many an audience reaches by each channel, and who is left out and why (statement 236)."""
    reachable = dict.fromkeys(("email", "sms", "voice", "push", "inbox"), 0)
    distinct: dict[str, set[str]] = {name: set() for name in reachable}
    total, nobody = 0, pb.LeftOut(reason="No address, number, device or account is on record.")
    async with transaction(engine) as connection:
        _, missed = await _targets(connection, query, viewer_schools)
        unreached = await _unreached(connection, query, viewer_schools)
    async for piece in resolve_audience(engine, query, viewer_schools):
        for each in piece:
            total += 1
            ways = {
                "email": each.email,
                "sms": each.mobile,
                "voice": next(iter(each.phones), ""),
                "push": next(iter(each.devices), ""),
            }
            ways["inbox"] = each.person_id if each.has_account else ""
            if not any(ways.values()):
                nobody.count += 1
                nobody.names.extend([each.name] if nobody.count <= _MOST_NAMED else [])
            for name, value in ways.items():
                reachable[name] += bool(value)
                distinct[name] |= {value} - {""}
    left_out = [
        pb.LeftOut(reason=f"{title} is excluded from communication.", count=count) for title, count in missed if count
    ]
    left_out += [each for each in (nobody, unreached) if each.count]
    return pb.PreviewAudienceResponse(
        recipients=total,
        reachable=reachable,
        distinct={name: len(values) for name, values in distinct.items()},
        left_out=left_out,
    )


async def _unreached(connection: AsyncConnection, query: AudienceQuery, viewer_schools: frozenset[str]) -> pb.LeftOut:
    """Return who is named, alone or for their family, and found in no school, with the names of those in sight."""
    left = pb.LeftOut(reason="Nobody is reached for them: they left, or have no family or no school here.")
    if not query.names_people:
        return left
    excluded = {row["school_id"]: row["is_excluded"] for row in await people.all_schools(connection)}
    reached, left_out = schools_in_reach(query, excluded, viewer_schools)
    found = await audience.targets(connection, query, sorted(reached | left_out))
    persons = set(query.person_ids) - {each.person_id for each in found}
    families = set(query.student_ids) - {each.student_id for each in found if each.person_id != each.student_id}
    seen = None if "*" in viewer_schools else viewer_schools
    rows = await people.people_by_id(connection, persons | families, seen_schools=seen)
    names = {row["person_id"]: row["name"] for row in rows if _is_seen(row, seen)}
    shown = [f"Family of {names[each]}" for each in families if each in names]
    shown += [names[each] for each in persons if each in names]
    left.count = len(persons) + len(families)
    left.names.extend(sorted(shown)[:_MOST_NAMED])
    return left


def _is_seen(row: people.Row, seen: Collection[str] | None) -> bool:
    # A look-up by id finds staff of other schools too.
    return seen is None or row["role"] not in STAFF or bool(set(row["school_ids"] or ()) & set(seen))
