"""What moderation's settings refuse."""

from pathlib import Path

import pytest

from services.kit.config import problems_of
from services.kit.signing import PUBLIC, make_keys
from services.moderation.config import Config


def test_the_vendor_needs_its_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_keys(tmp_path)
    for name, value in {
        "DATABASE_URL": "postgresql://x",
        "NATS_URL": "nats://x",
        "AUTH_KEYS_FILE": str(tmp_path / PUBLIC),
        "PROVIDER": "moderationapi",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MODAPI_SECRET_KEY", raising=False)
    wrong = ["MODAPI_SECRET_KEY: Value error, is needed when PROVIDER is moderationapi"]
    assert problems_of(Config) == wrong
    monkeypatch.setenv("MODAPI_SECRET_KEY", " ")
    assert problems_of(Config) == wrong
    monkeypatch.setenv("MODAPI_SECRET_KEY", "project-key")
    assert problems_of(Config) == []
    monkeypatch.delenv("MODAPI_SECRET_KEY")
    monkeypatch.setenv("PROVIDER", "embedded")
    assert problems_of(Config) == []
