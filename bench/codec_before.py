"""The codec as it was before the second version of its bitstream, trained by the code of its time.

That code is taken from the history of this repository, as the revision before the one that put the old
format into a package of its own had it. The checkpoint is read by that package.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from bench.homes import CACHE, scratch
from bench.measure import REPOSITORY, run

MOVED = "cookbooks/lamquant/codec/v1/__init__.py"
SOURCES = ("blut_assets", "blut_resources", "cookbooks")


class NoHistory(Exception):
    """Says that the revision cannot be had here."""


def trained_before(windows: Path, args: dict[str, Any]) -> Path:
    """The checkpoint that the old trainer makes of these windows; kept, and made once.

    Raises:
        NoHistory: a copy without the repository's history.
    """
    revision = _revision()
    config = {name: args[name] for name in ("preset", "tier", "seed", "threads") if name in args}
    said = json.dumps([revision, config, (windows / "windows.json").read_text()], sort_keys=True)
    place = CACHE / "before" / hashlib.sha256(said.encode()).hexdigest()[:16]
    if not (place / "model.json").is_file():
        _train(revision, {"seed": 42, **config}, windows, place)
    return place


def _revision() -> str:
    found = _git("log", "--diff-filter=A", "--format=%H", "--", MOVED).split()
    return _git("rev-parse", f"{found[-1]}^" if found else "HEAD").strip()


def _git(*words: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoHistory(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout


def _train(revision: str, config: dict[str, Any], windows: Path, place: Path) -> None:
    with scratch() as directory:
        tree, packed = directory / "tree", directory / "tree.tar"
        _git("archive", f"--output={packed}", revision, *SOURCES)
        with tarfile.open(packed) as archive:
            archive.extractall(tree, filter="data")
        frozen = {
            **{"config": config, "inputs": {"windows": str(windows)}, "fingerprint": "bench"},
            **{"out": str(directory / "out"), "work": str(directory / "work")},
        }
        given = directory / "config.json"
        given.write_text(json.dumps(frozen))
        module = "cookbooks.lamquant.payload.joint_train"
        run([sys.executable, "-m", module, "--config", given], cwd=tree, env={"OMP_NUM_THREADS": "1"})
        place.parent.mkdir(parents=True, exist_ok=True)
        (directory / "out").rename(place)
