"""Goal 8: two replicas of moderation beside one, on the same messages; none lost, none judged twice."""

import asyncio
import time
from typing import Any

import psycopg

from benchmarks.measure import REPETITIONS, Pairs, rate
from benchmarks.system import System, running
from deploy.local.ports import free_port
from protos.events.v1 import queue_pb2 as requests
from services.kit.bus import Bus
from services.kit.ids import new_id

_MESSAGES = 4_000
_LONGEST_SECONDS = 600.0
_TEXTS = (
    "Can I hand in the map project on Monday? I was at the dentist and could not print it.",
    "that quiz killed me lol, how many did you get right? i think i got the last two wrong",
    "Practice is at four today. Bring water, and tell Dana that the bus leaves from the gym.",
    "¿Me puedes mandar los apuntes de historia? Falté ayer porque mi hermana estaba enferma.",
    "nobody talks to me at lunch anymore and i don't know what i did. can we talk after class?",
)


def run() -> list[dict[str, Any]]:
    """Return the ratio."""
    pairs = Pairs()
    with running() as system:
        _start(system, 0)
        for _ in range(REPETITIONS):
            one, first = asyncio.run(_judged(system))
            _start(system, 1)
            two, second = asyncio.run(_judged(system))
            system.stop("moderation.serve.1")
            pairs.add(rate(_MESSAGES, two), rate(_MESSAGES, one), is_exact=first and second)
    return [pairs.result(8, "two replicas of moderation against one", 1.8, 1.6)]


def _start(system: System, number: int) -> None:
    system.start("moderation", "serve", f"moderation.serve.{number}", LISTEN=f"127.0.0.1:{free_port()}")


async def _judged(system: System) -> tuple[float, bool]:
    """Ask for verdicts, and return how long they took to be stored and whether each message has exactly one."""
    asked = [_request(number) for number in range(_MESSAGES)]
    bus = Bus(system.nats_url, name="benchmark", replicas=1)
    await bus.open("queue")
    started = time.perf_counter()
    subject = "queue.screening.requested.v1"
    await asyncio.gather(*(bus.publish(subject, each.SerializeToString(), each.event_id) for each in asked))
    wanted = sorted(each.message_id for each in asked)
    with psycopg.connect(system.address_of("moderation"), autocommit=True) as connection:
        while _count(connection, wanted[0], wanted[-1]) < _MESSAGES:
            if time.perf_counter() - started > _LONGEST_SECONDS:
                break
            # To count costs PostgreSQL, on the same two cores: a fiftieth of a round's seconds is near enough.
            await asyncio.sleep(0.2)
        seconds = time.perf_counter() - started
        rows = connection.execute("SELECT message_id::text FROM verdicts WHERE message_id = ANY(%s::uuid[])", [wanted])
        is_exact = sorted(row[0] for row in rows) == wanted
    await bus.close()
    return seconds, is_exact


def _request(number: int) -> requests.ScreeningRequested:
    text = f"{_TEXTS[number % len(_TEXTS)]} ({number})"
    request = requests.ScreeningRequested(
        event_id=new_id(), message_id=new_id(), texts=["Hello", text], author_key=f"a{number}", conversation_key=""
    )
    request.requested_at.GetCurrentTime()
    return request


def _count(connection: "psycopg.Connection[tuple[object, ...]]", first: str, last: str) -> int:
    # Ids grow with time, so a range of them is this round's messages.
    row = connection.execute("SELECT count(*) FROM verdicts WHERE message_id BETWEEN %s AND %s", [first, last])
    return int(str((row.fetchone() or (0,))[0]))
