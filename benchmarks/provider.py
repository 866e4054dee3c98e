"""A provider for measurements: answers as Twilio's Messages resource does, after a fixed time, and counts.

`python -m benchmarks.provider PORT SECONDS`. The simulator in deploy/vendors keeps all that arrives and sends receipts;
this one must cost as little as possible, since both sides of a comparison pay for it.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import urllib.request
from types import TracebackType

from aiohttp import web

from benchmarks.measure import wait_until
from deploy.local.nats import listens
from deploy.local.ports import free_port

ACCOUNT = "AC" + "0" * 32
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


class Provider:
    """The server as a process of its own."""

    def __init__(self, seconds: float = 0.0) -> None:
        """`seconds` is how long each answer takes."""
        self._port, self._seconds = free_port(), seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def count(self) -> int:
        """Return how many messages it took."""
        with urllib.request.urlopen(f"{self.url}/count") as answer:  # noqa: S310  our own address
            return int(json.load(answer))

    def settings(self) -> dict[str, str]:
        """Return the environment of a dispatcher that uses it."""
        return {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_BASE_URL": self.url,
            "AWS_ACCESS_KEY_ID": "",
            "PROVIDER_CONCURRENCY": "64",
        }

    def __enter__(self) -> "Provider":
        """Start it."""
        command = [sys.executable, "-m", "benchmarks.provider", str(self._port), str(self._seconds)]
        self._process = subprocess.Popen(command)
        wait_until("the provider listens", lambda: listens(self._port), seconds=20, processes=[self._process])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)


async def _serve(port: int, seconds: float) -> None:
    taken = itertools.count(1)
    last = 0

    async def answer(request: web.BaseRequest) -> web.Response:
        nonlocal last
        if request.path == "/count":
            return web.json_response(last)
        await request.read()
        if seconds:
            await asyncio.sleep(seconds)
        last = next(taken)
        body = b'{"sid": "SM%032x", "status": "queued", "error_code": null}' % last
        return web.Response(body=body, status=201, content_type="application/json")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
