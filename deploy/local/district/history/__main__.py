"""Writes the past traffic: `python -m deploy.local.district.history --out FILE [--as-of DATE]`."""

import argparse
import json
import sys
from collections import Counter
from datetime import date
from pathlib import Path

from deploy.local.district.build import DEFAULT_SEED, DEFAULT_STUDENTS, build, today_in_district
from deploy.local.district.history.record import history


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line; exits with a message when they make no sense."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.district.history", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file for the JSON lines")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="the seed of the roster")
    parser.add_argument("--students", type=int, default=DEFAULT_STUDENTS, help="the size of the roster")
    parser.add_argument("--as-of", type=date.fromisoformat, help="the day after the last one; today unless given")
    channels = "comma-separated; email,sms,push unless given, tts,recorded,poll,signup besides"
    parser.add_argument("--channels", type=lambda text: text.split(","), help=channels)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Write the file; return the exit code."""
    options = parse_arguments(arguments)
    as_of = options.as_of or today_in_district()
    district = build(options.seed, options.students, as_of)
    states: Counter[str] = Counter()
    messages = 0
    with options.out.open("w", encoding="utf-8", newline="\n") as file:
        for line in history(district, as_of, options.channels):
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            messages += 1
            states.update(outcome["state"] for one in line["recipients"] for outcome in one["outcomes"])
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    sys.stdout.write(f"{messages} messages; {states.total()} deliveries: {counts}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
