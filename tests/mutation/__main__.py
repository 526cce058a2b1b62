"""`make mutants`: break one line at a time on purpose, run the tests that should see it, and name survivors.

Each mutant of ``mutants.toml`` is applied to a copy of the tracked files, never to the checkout. A line that
is not found exactly once is an error, so that the list does not rot. Status 1 if anything survives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

REPOSITORY = Path(__file__).parent.parent.parent
LIST = Path(__file__).with_name("mutants.toml")
TIMEOUT_S = 600
BROKEN, FAILED = "cannot be made", 1
"""What pytest returns when a test failed; anything else but that is no death of a mutant."""


@dataclass(frozen=True)
class Mutant:
    """One line of a file, what to put in its place, and the tests that should notice."""

    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {self.before.strip()}  ->  {self.after.strip() or '(nothing)'}"

    def apply(self, root: Path) -> str:
        """Write the mutated file; returns what it was. Raises ValueError if the line is not there once."""
        path = root / self.file
        text = path.read_text()
        if text.count(self.before) != 1:
            raise ValueError(
                f"{self.file}: {self.before!r} stands there {text.count(self.before)} times, not once"
            )
        path.write_text(text.replace(self.before, self.after))
        return text


def read_list(only: Sequence[str]) -> list[Mutant]:
    """The mutants whose file or line holds one of these words; all of them without any."""
    groups = tomllib.loads(LIST.read_text())["group"]
    found = [
        Mutant(group["file"], before, after, tuple(group["tests"]))
        for group in groups
        for before, after in group["lines"]
    ]
    return [mutant for mutant in found if not only or any(word in str(mutant) for word in only)]


def copy_to(root: Path) -> None:
    """The tracked files as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, root / name)


def judge(mutant: Mutant, root: Path) -> str:
    """``killed``, ``SURVIVED``, or why it could not be judged."""
    try:
        text = mutant.apply(root)
    except ValueError as error:
        return f"{BROKEN}: {error}"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--no-header",
        "-p",
        "no:cacheprovider",
        *mutant.tests,
    ]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "killed (it never ended)"
    finally:
        (root / mutant.file).write_text(text)
    if done.returncode == 0:
        return "SURVIVED"
    return "killed" if done.returncode == FAILED else f"{BROKEN}: pytest ended with {done.returncode}"


def judged(mutants: Sequence[Mutant], jobs: int) -> Iterator[tuple[Mutant, str, float]]:
    """Each mutant with what became of it and the seconds that took, in the order of the list."""
    with tempfile.TemporaryDirectory(prefix="blut-mutants-") as scratch, ThreadPoolExecutor(jobs) as pool:
        free: Queue[Path] = Queue()
        for number in range(jobs):
            root = Path(scratch, str(number))
            copy_to(root)
            free.put(root)

        def one(mutant: Mutant) -> tuple[Mutant, str, float]:
            root, began = free.get(), time.monotonic()
            try:
                return mutant, judge(mutant, root), time.monotonic() - began
            finally:
                free.put(root)

        yield from pool.map(one, mutants)


def main() -> int:
    """Judge those that are asked for; prints a line each and the survivors at the end."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="words of a file or line")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    results = []
    for mutant, fate, seconds in judged(read_list(asked.only), asked.jobs):
        print(f"{fate:9} {seconds:5.1f} s  {mutant}", flush=True)
        results.append((mutant, fate))
    left = [(mutant, fate) for mutant, fate in results if not fate.startswith("killed")]
    print(f"\n{len(results) - len(left)} of {len(results)} mutants were killed")
    for mutant, fate in left:
        print(f"{fate}: {mutant}")
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
