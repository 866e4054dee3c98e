"""Under what tries are counted that come from an address."""

import pytest

from services.gateway.throttling import key_of_address


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
        ("unknown", "2001:db8::1", False),
    ],
)
def test_addresses_of_one_network_of_ipv6_are_one(one: str, other: str, *, is_same: bool) -> None:
    assert (key_of_address("address", one) == key_of_address("address", other)) is is_same
    assert key_of_address("address", one) != key_of_address("wrong link", one)
