"""`python -m deploy.vendors`: read the settings, open the port, serve until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys

import uvloop
from aiohttp import web

from deploy.vendors.app import Simulator
from deploy.vendors.settings import Settings, load_settings


async def serve(settings: Settings) -> None:
    """Serve until told to stop. Prints one line of JSON with the address once the port is open."""
    simulator = Simulator(settings)
    # A caller that hangs up ends its request, so that hanging modes leave nothing behind.
    runner = web.AppRunner(simulator.app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
    base_url = f"http://{settings.host}:{runner.addresses[0][1]}"
    await simulator.start(base_url)
    print(json.dumps({"listening": base_url, "events_topic_arn": simulator.vendors.ses.events_topic_arn}), flush=True)
    await _stop_signal()
    await simulator.stop()
    await runner.cleanup()


async def _stop_signal() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def main() -> None:
    """Run the simulator with the flags of the command line."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    settings = load_settings(sys.argv[1:])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


if __name__ == "__main__":
    main()
