"""`python -m services.moderation score` as whoever judges the model from outside runs it: lines in, lines out."""

import json
import os
import subprocess
import sys
from typing import Any

from services.moderation.model.categories import CATEGORIES

DANGER = "i have a plan to end my life this weekend, please don't tell anybody"


def answers(*lines: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return what the process says of these lines, and its exit code."""
    command = [sys.executable, "-m", "services.moderation", "score"]
    # As in most places: bytes that are no UTF-8 are refused where text is read.
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(
        command, input=b"\n".join(lines), capture_output=True, env=environment, timeout=120, check=False
    )
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def test_each_message_is_answered_in_its_order_also_after_a_mark_of_its_bytes() -> None:
    told, code = answers(
        b'\xef\xbb\xbf{"text": "See you at lunch", "lang": null}',
        b"",
        json.dumps({"text": DANGER, "lang": "en"}).encode(),
        b'{"text": ""}',
    )
    assert code == 0
    assert [each["held"] for each in told] == [False, True, False]
    assert ("self_harm" in told[1]["labels"], told[0]["labels"]) == (True, [])
    assert len({each["model"] for each in told}) == 1
    assert all(list(each["scores"]) == list(CATEGORIES) for each in told)


def test_a_line_that_is_no_message_is_an_error_and_those_after_it_are_answered() -> None:
    wrong = [b'{"text": null}', b'{"text": 5}', b'{"text": ["x"]}', b'{"text": "x", "lang": 3}', b"{}", b"[]", b"null"]
    told, code = answers(*wrong, b"[" * 100_000, b"\xff", b"no json", json.dumps({"text": DANGER}).encode())
    assert code == 1
    assert [set(each) for each in told[:-1]] == [{"error"}] * 10
    assert told[-1]["held"]
