"""Measure, print a table, write JSON: ``python -m bench [NAME...] [--quick] [--out FILE]``."""

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

from bench.measure import REPOSITORY
from bench.runner import in_own_process
from bench.table import Row, render, write_json

NAMES = (
    *("startup", "noop", "chain", "history", "launch", "planning"),
    *(
        "hashing",
        "lml",
        "duplicates",
        "step",
        "ranks",
        "jobs",
        "together",
        "events",
        "database",
        "codec",
        "containment",
        "flood",
        "night",
    ),
)


def about() -> dict[str, object]:
    """Where and when it was measured, so that nobody compares the absolute numbers of two machines."""
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg(),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller cases")
    parser.add_argument("--out", type=Path, help="JSON file; bench/results/<date>.json by default")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are: {', '.join(NAMES)}")
    facts = about()
    out = options.out or REPOSITORY / "bench" / "results" / f"{datetime.date.today().isoformat()}.json"
    found: list[Row] = []
    for name in options.names or NAMES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        found += in_own_process(name, options.quick)
        write_json(out, found, {**facts, "quick": options.quick})
    print(f"{facts['cores']} cores, load average {os.getloadavg()[0]:.1f}: only the ratios mean something")
    print("median (min-max) of the rounds; ratio is ours / baseline, round by round\n")
    print(render(found))
    print(f"\nwritten to {out}")


if __name__ == "__main__":
    main()
