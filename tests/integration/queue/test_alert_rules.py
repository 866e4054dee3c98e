"""What the alert rules count is there with 0 from the start: a rate does not see the first of what was not there."""

import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.instruments import PAGE
from deploy.local.ports import free_port
from services.queue.failures import PROVIDERS
from tests.support.eventually import eventually_sync
from tests.support.forked import start
from tests.support.tokens import Tokens

_RULE = re.compile(r'sum by \(provider\) \(increase\((\w+)\{class=~"([a-z|]+)"\}')


@pytest.fixture(params=["serve", "dispatch", "tick"])
def shown(request: pytest.FixtureRequest, tokens: Tokens, tmp_path: Path) -> Iterator[str]:
    """What a process that has just started shows on /metrics; nothing that it needs is there."""
    listen = f"127.0.0.1:{free_port()}"
    environment = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        "METRICS_LISTEN": listen,
        "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d",
        "NATS_URL": "nats://127.0.0.1:1",
        "AUTH_KEYS_FILE": str(tokens.keys_file),
        "SERVICE_TOKEN": tokens.service("directory.read", name="queue"),
        "DIRECTORY_ADDRESS": "127.0.0.1:1",
    }
    process = start("queue", request.param, environment, tmp_path / "log")

    def metrics() -> str:
        try:
            with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError as problem:
            raise AssertionError("it does not answer yet") from problem

    try:
        yield eventually_sync(metrics, 30)
    finally:
        process.terminate()
        process.wait(20)


def test_a_process_begins_with_0_of_what_wakes_somebody(shown: str) -> None:
    rules = _RULE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(rules) == 2
    missing = [
        (metric, provider, kind)
        for metric, kinds in rules
        for kind in kinds.split("|")
        for provider in PROVIDERS
        if not re.search(rf'^{metric}{{(?=[^}}]*class="{kind}")(?=[^}}]*provider="{provider}")[^}}]*}} 0', shown, re.M)
    ]
    assert missing == []
