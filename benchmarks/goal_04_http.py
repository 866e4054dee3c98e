"""Goal 4: a drain through a provider over HTTP, beside a loop that does nothing but call the same server."""

import asyncio
import time
from typing import Any

import aiohttp
import uvloop

from benchmarks import messages
from benchmarks.drain import wait_until_empty
from benchmarks.measure import REPETITIONS, Pairs, rate
from benchmarks.provider import ACCOUNT, PATH, Provider
from benchmarks.system import running

_RECIPIENTS, _AT_ONCE = 5_000, 64


def run() -> list[dict[str, Any]]:
    """Return the ratio."""
    rows = messages.recipients(_RECIPIENTS)
    pieces, taken = messages.pieces(rows), _RECIPIENTS - _RECIPIENTS // messages.DUPLICATES
    pairs = Pairs()
    with running() as system, Provider() as provider:
        system.start("queue", "serve")
        system.start("queue", "dispatch", **provider.settings())
        for repetition in range(REPETITIONS + 1):
            before = provider.count()
            with system.channel() as channel:
                entry_id = messages.submit(channel, system.authorization, pieces).entries[0].entry_id
            started = time.perf_counter()
            wait_until_empty(system, entry_id)
            seconds = time.perf_counter() - started
            is_exact = provider.count() - before == taken
            bare = uvloop.run(_loop(provider.url, taken))
            if repetition:
                # The first warms both sides up.
                pairs.add(rate(taken, seconds), rate(taken, bare), is_exact=is_exact)
    return [pairs.result(4, "drain over HTTP against a bare aiohttp loop", 0.85, 0.7)]


async def _loop(url: str, calls: int) -> float:
    numbers = iter(range(calls))
    form = {"To": "+12125550100", "From": "+12125550101", "Body": "Schools are closed tomorrow because of snow."}

    async def call(session: aiohttp.ClientSession) -> None:
        for _ in numbers:
            async with session.post(f"{url}{PATH}", data=form) as answer:
                await answer.json()

    headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, "secret")}
    connector = aiohttp.TCPConnector(limit=_AT_ONCE)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        started = time.perf_counter()
        await asyncio.gather(*(call(session) for _ in range(_AT_ONCE)))
        return time.perf_counter() - started
