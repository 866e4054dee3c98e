"""`python -m benchmarks [--only 2,7]`: measure the goals that have a file here, print a table, write results.json."""

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

from benchmarks.measure import fsyncs_per_second

_FOLDER = Path(__file__).parent
RESULTS = _FOLDER / "results.json"
_HEAD = f"{'goal':>4}  {'what':<58} {'ours':>10} {'against':>10} {'ratio':>8} {'target':>7} {'floor':>6}  spread"


def main() -> int:
    """Return 0 when every figure is exact, 1 otherwise; whether a goal is met stands in the table."""
    files = {int(file.name.split("_")[1]): file.stem for file in sorted(_FOLDER.glob("goal_*.py"))}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=_numbers, default=sorted(files), help=f"of {', '.join(map(str, sorted(files)))}")
    wanted = parser.parse_args().only
    unknown = [number for number in wanted if number not in files]
    if unknown:
        parser.error(f"there is no measurement of goal {', '.join(map(str, unknown))}")
    results: list[dict[str, Any]] = []
    print(f"This disk makes {fsyncs_per_second():,.0f} small writes durable in a second.")
    print(_HEAD)
    for number in wanted:
        for result in importlib.import_module(f"benchmarks.{files[number]}").run():
            results.append(result)
            print(_line(result), flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return int(not all(each["exact"] for each in results))


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _line(result: dict[str, Any]) -> str:
    mark = "" if result["exact"] else "  not exact: does not count"
    return (
        f"{result['goal']:>4}  {result['name']:<58} {_figure(result['ours']):>10} {_figure(result['against']):>10}"
        f" {result['ratio']:>8.2f} {result['target']:>7.2f} {result['floor']:>6.2f}  {result['spread']:.2f}{mark}"
    )


def _figure(value: float) -> str:
    """Return a rate or a time with three digits at least."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    raise SystemExit(main())
