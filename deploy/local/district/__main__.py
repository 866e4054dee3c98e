"""Writes the sample district: `python -m deploy.local.district --out DIR`."""

import argparse
import json
import shutil
import sys
from datetime import date
from pathlib import Path

from deploy.local.district import oneroster
from deploy.local.district.accounts import accounts
from deploy.local.district.build import DEFAULT_SEED, DEFAULT_STUDENTS, build, today_in_district
from deploy.local.district.source import DATA
from deploy.local.district.today import todays_messages


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line; exits with a message when they make no sense."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.district", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files; made when it is not there")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="another seed, another district")
    parser.add_argument("--students", type=int, default=DEFAULT_STUDENTS, help="how many, 50 to about 8,000")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, default=None, help="day that it is; decides the school year"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Write the OneRoster set, profiles.csv, accounts.json and today.json; return the exit code."""
    options = parse_arguments(arguments)
    district = build(options.seed, options.students, options.as_of or today_in_district())
    oneroster.write(district, options.out)
    shutil.copyfile(DATA / "profiles.csv", options.out / "profiles.csv")
    for name, content in (("accounts", accounts(district)), ("today", todays_messages(district))):
        text = json.dumps(content, ensure_ascii=False, indent=2)
        (options.out / f"{name}.json").write_text(text + "\n", "utf-8")
    counts = (len(district.students), len(district.guardians), len(district.teachers), len(district.staff))
    sys.stdout.write("{} students, {} guardians, {} teachers, {} other staff\n".format(*counts))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
