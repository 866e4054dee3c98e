"""Every instrument is recorded somewhere: a metric that nothing measures misleads whoever looks at it."""

import re

from tests.meta.sources import text, tracked

_DECLARED = re.compile(r"^(\w+) = _?meter(?:\([^)]*\))?\.create_(?!observable)\w+\(", re.MULTILINE)


def test_every_instrument_is_recorded() -> None:
    forgotten = []
    for path in (each for each in tracked("services/*/metrics.py") if len(each.parts) == 3):
        room = tracked(f"{path.parent}/*.py")
        recorded = "\n".join(text(each) for each in room)
        names = _DECLARED.findall(text(path))
        assert names, f"{path} declares no instrument that this test can read"
        forgotten += [f"{path}: {name}" for name in names if not re.search(rf"\b{name}\.(add|record|set)\(", recorded)]
    assert forgotten == []
