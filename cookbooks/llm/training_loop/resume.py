"""Resumes exactly or not at all.

transformers takes any directory for a checkpoint: without its optimizer, scheduler or random state it trains
on, silently to another result. Here a checkpoint counts only with a seal: the sizes and digests of all its
files, and what it was made from. The newest that is whole and of the same making is taken.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from blut_resources.files.durable import sync_tree, write_atomic

SEAL = "complete.json"
WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")
NEEDED = ("optimizer.pt", "scheduler.pt", "trainer_state.json")
KEEP = 2

Making = Mapping[str, Any]
"""What two attempts must share for one to continue the other; JSON values by name."""


def seal(checkpoint: Path, making: Making) -> None:
    """Declare a checkpoint complete. What it holds is on disk before its seal is.

    Raises:
        FileNotFoundError: something is not in it that a resume needs.
    """
    missing = _missing({path.name for path in checkpoint.iterdir()}, making)
    if missing:
        raise FileNotFoundError(f"{checkpoint.name}: {missing}: it was not written, so it cannot be resumed")
    (checkpoint / SEAL).unlink(missing_ok=True)
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    sync_tree(files, [checkpoint])
    listed = {path.relative_to(checkpoint).as_posix(): _fact(path) for path in files}
    text = json.dumps({"making": dict(making), "files": listed}, indent=1, sort_keys=True)
    write_atomic(checkpoint / SEAL, text.encode())


def _missing(names: set[str], making: Making) -> str | None:
    if not names & set(WEIGHTS):
        return "weights"
    ranks = making.get("ranks", 1)
    random = [f"rng_state_{rank}.pth" for rank in range(ranks)] if ranks > 1 else ["rng_state.pth"]
    scaler = ["scaler.pt"] if making.get("dtype") == "float16" else []
    wanted = (*NEEDED, *random, *scaler)
    return next((name for name in wanted if name not in names), None)


def _fact(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def newest_complete(
    work: Path, making: Making, say: Callable[[str], None], usable: Callable[[int], bool] = lambda _: True
) -> Path | None:
    """Returns the newest checkpoint that can be resumed exactly; why others cannot is said."""
    for step, checkpoint in checkpoints(work):
        problem = why_not(checkpoint, making)
        if problem is None and not usable(step):
            problem = "it lies past the end of this training"
        if problem is None:
            return checkpoint
        say(f"resume: {checkpoint.name} is not used: {problem}")
    return None


def checkpoints(work: Path) -> Iterator[tuple[int, Path]]:
    """Yields step and directory of what looks like a checkpoint, newest first."""
    found = [
        (int(path.name.removeprefix("checkpoint-")), path)
        for path in work.glob("checkpoint-*")
        if path.is_dir() and path.name.removeprefix("checkpoint-").isdecimal()
    ]
    yield from sorted(found, reverse=True)


def why_not(checkpoint: Path, making: Making) -> str | None:
    """Returns what keeps a checkpoint from being resumed exactly; None if nothing does.

    Raises:
        OSError: it cannot be read for a reason that may pass.
    """
    try:
        sealed = json.loads((checkpoint / SEAL).read_bytes())
        files, made = sealed["files"], sealed["making"]
    except FileNotFoundError:
        return "it was not finished"
    except (ValueError, KeyError, TypeError) as error:
        return f"{SEAL} is damaged: {error}"
    if made != json.loads(json.dumps(dict(making))):
        return f"it was made from something else: {_difference(made, making)}"
    return _missing(set(files), making) or _damage(checkpoint, files)


def _difference(made: Making, making: Making) -> str:
    names = [name for name in sorted({*made, *making}) if made.get(name) != making.get(name)]
    return ", ".join(f"{name} {_short(made.get(name))}, now {_short(making.get(name))}" for name in names[:3])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:12]}..."


def _damage(checkpoint: Path, files: Mapping[str, Mapping[str, Any]]) -> str | None:
    for name, fact in files.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != fact["bytes"]:
            return f"{name} has {path.stat().st_size} bytes, not {fact['bytes']}"
        if _fact(path) != fact:
            return f"{name} is damaged: its SHA-256 is another"
    # transformers reads whatever lies there under a name that it knows
    found = (path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file())
    foreign = next((name for name in sorted(found) if name not in files and name != SEAL), None)
    return f"{foreign} was not there when it was finished" if foreign else None


def prune(work: Path, making: Making, newest: Path) -> None:
    """Drop older checkpoints, only now that a newer one is complete; those of other trainings stay."""
    kept = 1
    for step, path in checkpoints(work):
        if step >= int(newest.name.removeprefix("checkpoint-")):
            continue
        try:
            made = _made(path)
        except OSError:  # it may pass
            continue
        if made is not None and made != json.loads(json.dumps(dict(making))):
            continue
        kept += made is not None
        if made is None or kept > KEEP:
            shutil.rmtree(path, ignore_errors=True)


def _made(checkpoint: Path) -> Mapping[str, Any] | None:
    try:
        return json.loads((checkpoint / SEAL).read_bytes())["making"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
