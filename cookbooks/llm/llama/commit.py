"""Finds out of which commit a llama.cpp is: its sources as git says, its programs as they print it."""

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PLACES = ("build/bin", "bin", ".")
PROGRAMS = ("llama-cli", "llama-completion", "llama-perplexity", "llama-server", "llama-bench")
COMMIT = re.compile(r"(?:commit |build = \d+ \(|version: \d+ \()([0-9a-f]{7,40})\b")
VERSION = re.compile(r"version: ([\w.]+)")
HEADER = "include/llama.h"


@dataclass(frozen=True)
class Commit:
    """Says of which commits its sources and its programs are, and which version these print; empty: unknown.

    ``outdated``: ``llama.h`` is another one in the sources than in what the programs were built of.
    """

    sources: str = ""
    edited: bool = False
    programs: str = ""
    version: str = ""
    outdated: bool = False

    def describe(self) -> str:
        """Returns it in words."""
        if self.sources:
            edited = " (edited)" if self.edited else ""
            other = self.programs and not self.sources.startswith(self.programs)
            return f"commit {self.sources}{edited}{f', built of {self.programs}' if other else ''}"
        if self.programs:
            return f"commit {self.programs}"
        return f"version {self.version}" if self.version else "unknown commit"


def commit_of(root: Path, quantiser: Path | None) -> Commit:
    """Returns what git and the programs in a directory say."""
    said = "".join(_said(*command, failing=True) for command in _asking(root, quantiser))
    built, version = COMMIT.search(said), VERSION.search(said)
    programs = built[1] if built else ""
    git = ("git", "-C", str(root))
    top = _said(*git, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != root.resolve():  # a repository around it is not its own
        return Commit(programs=programs, version=version[1] if version else "")
    return Commit(
        sources=_said(*git, "rev-parse", "HEAD"),
        edited=bool(_said(*git, "status", "--porcelain", "--untracked-files=no")),
        programs=programs,
        outdated=bool(programs and _said(*git, "diff", "--name-only", programs, "--", HEADER)),
    )


def _asking(root: Path, quantiser: Path | None) -> Iterator[tuple[str, ...]]:
    """Yields commands that print a version; the quantiser does so only on its way to a file."""
    for place, name in itertools.product(PLACES, PROGRAMS):
        if (program := root / place / name).is_file():
            yield str(program), "--version"
    if quantiser:
        nothing = root / "no-such-directory"
        yield str(quantiser), str(nothing / "from.gguf"), str(nothing / "to.gguf"), "Q8_0"


def _said(*command: str, failing: bool = False) -> str:
    """Returns what a program writes, both ways; empty if it fails, unless that is to be expected."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).strip() if done.returncode == 0 or failing else ""
