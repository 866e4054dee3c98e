"""The sign-ins worth showing: one for each profile. Passwords are the launcher's to make."""

from typing import Any

from deploy.local.district.model import District
from deploy.local.district.source import data, profiles


def accounts(district: District) -> list[dict[str, Any]]:
    """Return the people of each profile who have a user name one can remember, with what they may see.

    `schools` are sourcedIds, or "*" for the district office.
    """
    rights = {row["profileName"]: row for row in profiles()}
    schools = {school.sourced_id for school in district.schools}
    named = set(data("staff")["demonstration_usernames"].values())
    people = [*district.staff, *(one for one in district.people if one.username in named)]
    return [
        {"role": rights[one.profile]["role"], "profile": one.profile, "username": one.username, "name": one.name,
         "title": one.title, "sourced_id": one.sourced_id,
         "schools": [org for org in one.school_ids if org in schools] or ["*"],
         "permissions": rights[one.profile]["permissions"].split(",")}
        for one in people
    ]  # fmt: skip
