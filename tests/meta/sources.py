"""The project's own source files, as git knows them: what the meta-tests read."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked(*patterns: str) -> tuple[Path, ...]:
    """Return the files that are committed or about to be, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return tuple(sorted(Path(line) for line in set(listed) if (ROOT / line).is_file()))


def text(path: Path) -> str:
    """Return a file's text."""
    return (ROOT / path).read_text(encoding="utf-8")


def imports(path: Path) -> list[tuple[str, str]]:
    """Return what a Python file imports, as (module, name); name is empty for a whole module."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.Import):
            found += [(each.name, "") for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.module, each.name) for each in node.names]
    return found
