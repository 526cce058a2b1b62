"""Spend the night and look at it in the morning: ``python -m bench.night [NAME...] [--seed N] [--out FILE]``.

Prints a table, and what is wrong in it; exits with 1 if anything is. It needs root or user namespaces, a C
compiler and Debian's ``faketime``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.night.cases import CASES
from bench.night.evening import spend
from bench.night.table import render
from bench.night.world import FAKETIME

INSIDE = "NIGHT_NAMESPACE"


def missing() -> str:
    """Why the night cannot be spent here, if so."""
    for program in ("unshare", "mount", "cc"):
        if shutil.which(program) is None:
            return f"{program} is not in PATH"
    if not FAKETIME.exists():
        return f"{FAKETIME} is not there: the Debian package faketime has it"
    able = subprocess.run([*_unshare(), "true"], capture_output=True, text=True)
    return "" if able.returncode == 0 else f"no mounts of one's own: {able.stderr.strip()}"


def _unshare() -> list[str]:
    """Mounts are made in a namespace of its own, and are gone with it however this ends."""
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.night", description=__doc__)
    names = [case.name for case in CASES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--seed", type=int, default=1, help="of when what happens; 1 by default")
    parser.add_argument("--no-ui", action="store_true", help="without UI and daemon beside")
    parser.add_argument("--out", type=Path, help="JSON file of the table")
    parser.add_argument("--keep", action="store_true", help="leave the directory of the night")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no training is called {unknown[0]!r}; there are: {', '.join(names)}")
    if why := missing():
        sys.exit(f"the night cannot be spent here: {why}")
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        inside = [*_unshare(), sys.executable, "-m", "bench.night", *sys.argv[1:]]
        os.execvp(inside[0], inside)
    root = Path(tempfile.mkdtemp(prefix="blut-night-"))
    try:
        table = spend(root, options.names or names, options.seed, ui=not options.no_ui)
    finally:
        if options.keep:
            print(f"kept in {root}", file=sys.stderr)
    print(render(table))
    if options.out:
        options.out.write_text(json.dumps(table, indent=1) + "\n")
    if not options.keep:
        shutil.rmtree(root, ignore_errors=True)
    sys.exit(1 if any(cell["wrong"] for cells in table.values() for cell in cells) else 0)


if __name__ == "__main__":
    main()
