"""Sizes, names and leftovers."""

import re
from pathlib import Path

from tests.meta.sources import text, tracked

PYTHON = tracked("*.py")


def lines(path: Path) -> int:
    return text(path).count("\n")


def test_files_fit_on_a_few_screens() -> None:
    def limit(path: Path) -> int:
        if path.parts[:2] == ("services", "kit"):
            return 200
        return 400 if path.parts[0] == "tests" else 300

    too_long = [f"{path}: {lines(path)}" for path in PYTHON if lines(path) > limit(path)]
    assert too_long == []


def test_names_say_what_is_inside() -> None:
    banned = {"util", "utils", "common", "helper", "helpers", "manager", "misc", "base_service"}
    assert [str(path) for path in PYTHON if banned & {part.removesuffix(".py") for part in path.parts}] == []


def test_nothing_generated_is_committed() -> None:
    assert tracked("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi", "node_modules/*") == ()


def test_nothing_is_put_off() -> None:
    put_off = re.compile(r"# ?(TODO|FIXME|XXX)\b|raise NotImplementedError|pytest\.(mark\.)?(skip|xfail)")
    found = [
        f"{path}:{number}"
        for path in PYTHON
        if path != Path("tests/meta/test_shape.py")
        for number, line in enumerate(text(path).splitlines(), 1)
        if put_off.search(line)
    ]
    assert found == []


def test_tests_wait_on_conditions() -> None:
    sleeping = re.compile(r"\btime\.sleep\(|\basyncio\.sleep\((?!0\)|30\))")
    allowed = {Path("tests/support/eventually.py"), Path("tests/meta/test_shape.py")}
    files = [
        path for path in PYTHON if path.parts[0] == "tests" and path not in allowed and path.name.startswith("test_")
    ]
    found = [
        f"{path}:{n}" for path in files for n, line in enumerate(text(path).splitlines(), 1) if sleeping.search(line)
    ]
    assert found == []


def test_acceptance_numbers_exist() -> None:
    """The list has 1–250 and, beyond the page, 301–318."""
    known = {*range(1, 251), *range(301, 319)}
    wrong = []
    for path in PYTHON:
        for call in re.findall(r"mark\.accepts\(([^)]*)\)", text(path)):
            wrong += [f"{path}: {number}" for number in re.findall(r"\d+", call) if int(number) not in known]
    assert wrong == []


def test_no_address_of_a_registry_and_no_foreign_path() -> None:
    registry = re.compile("py" + r"pi\.org|python" + r"hosted|npm" + r"js\.org|deb\.deb" + "ian")
    files = [path for path in tracked() if path.suffix not in {".png", ".svg", ".npz", ".onnx", ".bin", ".gz"}]
    assert [str(path) for path in files if registry.search(text(path))] == []
