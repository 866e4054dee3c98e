"""A period is judged again, from its page to the inbox: queue asks, moderation judges, queue pulls back."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from protos.directory.v1 import directory_pb2 as directory
from services.kit.ids import new_id
from tests.integration.gateway.policy_pages import DANGER, write
from tests.integration.gateway.stack import SERVICES as USUAL
from tests.integration.gateway.stack import Stack
from tests.support.eventually import eventually_sync
from tests.support.forked import start

SERVICES = (*USUAL, "moderation")


@contextmanager
def ticking(stack: Stack) -> Iterator[None]:
    """Run the queue's `tick`."""
    process = start("queue", "tick", {**os.environ, **stack.environments["queue"]})
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def switch(stack: Stack, *, on: bool) -> None:
    """Switch screening on or off in directory."""
    module = directory.Module(name="moderation_api", is_purchased=True, is_enabled=on)
    wanted = directory.UpdateModuleRequest(module=module)
    stack.gateway.clients.directory.UpdateModule(wanted, metadata=stack.operator)


@pytest.mark.accepts(168, 174)
def test_what_was_delivered_while_screening_was_off_is_judged_and_taken_out_of_the_inbox(stack: Stack) -> None:
    student, teacher, district = stack.browser("amy"), stack.browser("tea"), stack.browser("off")
    switch(stack, on=False)

    def is_delivered() -> str:
        # The queue learns of the switch within seconds; what was written before that waits for its verdict.
        subject = f"Note {new_id()[:8]}"
        write(student, DANGER, stack.people["tea"], subject=subject)
        assert subject in teacher.get("/inbox").get_data(as_text=True)
        return subject

    subject = eventually_sync(is_delivered, 60)
    switch(stack, on=True)
    key = re.search(r'name="key" value="([^"]+)"', district.get("/policy").get_data(as_text=True))
    assert key
    today = stack.clock().astimezone(stack.gateway.zone).date().isoformat()
    wanted = {"key": key[1], "first": today, "last": today, "reason": "It was off."}

    def is_begun() -> None:
        assert district.post("/policy/rescreenings", wanted, page="/policy").status_code == 303

    eventually_sync(is_begun, 60)
    with ticking(stack):

        def is_pulled_back() -> None:
            assert subject not in teacher.get("/inbox").get_data(as_text=True)
            threats = district.rows("threats")
            assert subject in {each["subject"] for each in threats}
            assert re.search("Done</span>.*pulled back", district.get("/policy").get_data(as_text=True))

        eventually_sync(is_pulled_back, 60)
