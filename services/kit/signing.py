"""Signing keys, and tokens for other systems of the district, from the command line.

python -m services.kit.signing keys FOLDER
python -m services.kit.signing keys NEW --beside FOLDER/keys.json
python -m services.kit.signing token --key FOLDER/operator.jwk --name sis --scope queue.absences
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from services.kit.auth import TokenVerifier, load_signing_key, sign_service

PUBLIC: Final = "keys.json"
BOTH: Final = "both.json"
"""The new public keys and those that they follow: what processes check with while keys are changed."""
_DAY_SECONDS: Final = 86_400.0
_MOST_DAYS: Final = 3_650
_SCOPE: Final = re.compile(r"[a-z]+\.[a-z_]+")


def make_keys(folder: Path, beside: Path | None = None) -> None:
    """Write gateway.jwk and operator.jwk, which only their owner may read, and the public keys.json of both.

    With the public set of older keys beside them, both.json has all. FileExistsError, and nothing is written, when one
    of them is there: what older keys signed would end.
    """
    if there := [name for name in ("gateway.jwk", "operator.jwk", PUBLIC, BOTH) if (folder / name).exists()]:
        raise FileExistsError(
            f"{folder / there[0]} is there already: what its keys signed would end. Name another folder."
        )
    older = _read_public(beside) if beside else []
    signers = {name: _new_key(name) for name in ("gateway", "operator")}
    public = [key.as_dict(private=False) for key in signers.values()]
    folder.mkdir(mode=0o755, exist_ok=True)
    for name, key in signers.items():
        _write(folder / f"{name}.jwk", key.as_dict(private=True), 0o600)
    if older:
        _write(folder / BOTH, {"keys": [*public, *older]}, 0o644)
    _write(folder / PUBLIC, {"keys": public}, 0o644)


def _new_key(signer: str) -> OKPKey:
    """Return a key whose id no other has: a token names its key by it, and old and new hold beside each other."""
    key = OKPKey.generate_key("Ed25519")
    return OKPKey.import_key(key.as_dict(private=True), {"kid": f"{signer}-{key.thumbprint()}"})


def _read_public(path: Path) -> list[dict[str, Any]]:
    try:
        keys: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["keys"]
        TokenVerifier({"keys": keys})
    except (LookupError, TypeError, ValueError, JoseError) as problem:
        raise ValueError(f"{path} is no public set of keys.") from problem
    if any("d" in key for key in keys):
        raise ValueError(f"{path} is no public set of keys: a private one is in it.")
    return keys


def _write(path: Path, content: dict[str, Any], mode: int) -> None:
    """Write a new file that is never open to more than `mode` says. Every service reads the public set."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(mode)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks; return the exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "keys":
            make_keys(asked.folder, asked.beside)
        else:
            print(_token(asked))
    except (OSError, ValueError, JoseError) as problem:
        print(f"{parser.prog}: {problem}", file=sys.stderr)
        return 1
    return 0


def _token(asked: argparse.Namespace) -> str:
    if strange := [each for each in asked.scope if not _SCOPE.fullmatch(each)]:
        raise ValueError(f"{strange[0]} is no scope; the contracts name them, as queue.read.")
    if not asked.name.strip() or not 1 <= asked.days <= _MOST_DAYS:
        raise ValueError(f"A token has a name and 1 to {_MOST_DAYS:,} days.")
    key: OKPKey = load_signing_key(asked.key.read_text(encoding="utf-8"))
    if not str(key.kid).startswith("operator"):
        raise ValueError("The operator's key signs the tokens of services.")
    return sign_service(key, asked.name, frozenset(asked.scope), asked.days * _DAY_SECONDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.kit.signing")
    commands = parser.add_subparsers(dest="command", required=True)
    keys = commands.add_parser("keys", help="make both signing keys and their public set in a folder")
    keys.add_argument("folder", type=Path, help="made if it is not there")
    keys.add_argument("--beside", type=Path, help="public set of the keys that these follow; both.json has all")
    token = commands.add_parser("token", help="print a token for a system of the district")
    token.add_argument("--key", type=Path, required=True, help="the operator's private key")
    token.add_argument("--name", required=True, help="which system; logs name it")
    token.add_argument(
        "--scope", action="append", required=True, help="what it may call, as queue.read; may be repeated"
    )
    token.add_argument("--days", type=int, default=365, help="how long it is good for")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
