"""How passwords are kept."""

from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from services.gateway.sessions import hash_password


def test_a_password_is_kept_as_a_hash_of_the_recommended_strength() -> None:
    first, second = (hash_password("correct horse") for _ in range(2))
    assert extract_parameters(first) == RFC_9106_LOW_MEMORY
    assert first != second
