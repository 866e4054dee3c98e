"""The sign-ins that a first start shows."""

from deploy.local.district.accounts import accounts
from deploy.local.district.model import District
from deploy.local.district.today import todays_messages
from deploy.local.screen import one_for_each_role


def test_the_principal_who_is_shown_is_of_the_school_of_todays_threats(district: District) -> None:
    shown = {each["profile"]: each for each in one_for_each_role(accounts(district))}
    schools = {one.username: set(one.school_ids) for one in district.people}
    threats = [each for each in todays_messages(district) if each.get("expected") == "withheld"]
    assert any(schools[each["sender"]["username"]] & set(shown["Principal"]["schools"]) for each in threats)


def test_one_of_each_profile_is_shown(district: District) -> None:
    shown = one_for_each_role(accounts(district))
    assert (
        len(shown) == len({each["profile"] for each in shown}) == len({each["profile"] for each in accounts(district)})
    )
