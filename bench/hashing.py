"""Digests of warm data: throughput of one big file and of many small ones, and what a second look costs."""

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from bench.homes import scratch
from bench.measure import Run, in_turns, run, timed
from bench.table import Quantity, Row, Target, skipped

SMALL_FILES, SMALL_SIZE = 2000, 1 << 14
RECORDINGS, ARCHIVES = 100_000, 10_000


def rows(quick: bool) -> list[Row]:
    """GB/s; above one, ours is the faster."""
    size = (64 if quick else 512) << 20
    with scratch() as directory:
        big, many = directory / "big", directory / "many"
        _write(big, size)
        many.mkdir()
        for number in range(SMALL_FILES):
            _write(many / f"{number:05d}", SMALL_SIZE)
        runs = in_turns(3 if quick else 5, _contenders(big, many))
    rate = {name: _rate(found, size) for name, found in runs.items()}
    lines = [
        Row("hashing", "one file, one core", rate["ours, one core"], name, rate[name], floor)
        for name, floor in (("hashlib.sha256", Target("ours", ">=", 1)), ("sha256sum", None), ("b3sum", None))
        if name in rate
    ]
    if "b3sum" not in rate:
        lines.append(skipped("hashing", "against b3sum", "b3sum is not in PATH"))
    small = SMALL_FILES * SMALL_SIZE
    rate_many, rate_each = _rate(runs["tree"], small), _rate(runs["tree, hashlib"], small)
    lines += [
        Row("hashing", "one file, all cores", rate["ours"], "sha256sum", rate["sha256sum"]),
        Row("hashing", f"{SMALL_FILES} files of 16 KiB", rate_many, "hashlib.sha256", rate_each),
    ]
    lines += _looked_at_again(2_000 if quick else RECORDINGS, 3 if quick else 5, "edf")
    lines += _looked_at_again(2_000 if quick else ARCHIVES, 3 if quick else 5, "lma")
    again, first = _milliseconds(runs["again"]), _milliseconds(runs["ours"])
    lines.append(Row("hashing", "one file, unchanged since", again, "hashing it", first))
    return lines


def _looked_at_again(count: int, rounds: int, kind: Literal["edf", "lma"]) -> list[Row]:
    """Recordings that nobody has changed, as a source sees them, and as `find` does, with the same stamps."""
    from blut_resources.store import ArtifactStore
    from cookbooks.lamquant.formats.edf.discovery import LOOKED_FOR, find_recordings

    looked_for = LOOKED_FOR[kind]

    with scratch() as directory:
        root, store = directory / "many", ArtifactStore(directory / "store")
        for number in range(count):
            folder = root / f"sub-{number // 250:04}" / f"ses-{number // 50 % 5}"
            if number % 50 == 0:
                folder.mkdir(parents=True)
            (folder / f"run-{number % 50:02}.{kind}").write_bytes(b"%d" % number)
        digest = store.put_reference(root, find_recordings(root, looked_for).names)
        runs = in_turns(
            rounds,
            {
                "ours": partial(
                    timed, lambda: store.referenced(root, find_recordings(root, looked_for).names)
                ),
                "opened": partial(timed, lambda: store.open(digest)),
                "find": partial(run, ["find", str(root), "-type", "f"]),
                "find, stamps": partial(
                    run, ["find", str(root), "-type", "f", "-printf", "%P %s %T@ %C@ %i"]
                ),
            },
        )
    found = {name: _seconds(many) for name, many in runs.items()}
    ours, target = found["ours"], Target("ratio", "<=", 3)
    what = f"{count} .{kind} files, unchanged"
    return [
        Row(
            "hashing",
            f"{what}, seen by a source",
            ours,
            "find, the same stamps",
            found["find, stamps"],
            target,
        ),
        Row("hashing", f"{what}, seen by a source", ours, "find, names only", found["find"]),
        Row(
            "hashing",
            f"{what}, opened",
            found["opened"],
            "find, the same stamps",
            found["find, stamps"],
            target,
        ),
    ]


def _contenders(big: Path, many: Path) -> dict[str, Callable[[], Run]]:
    from blut_resources.files.digest import digest_file, digest_files, digest_path

    known = digest_files(big, [""], {})
    contenders: dict[str, Callable[[], Run]] = {
        "ours, one core": partial(timed, partial(digest_file, big)),
        "ours": partial(timed, partial(digest_path, big)),
        "hashlib.sha256": partial(timed, partial(_sha256, big)),
        "sha256sum": partial(run, ["sha256sum", str(big)]),
        "tree": partial(timed, partial(digest_path, many)),
        "tree, hashlib": partial(timed, lambda: [_sha256(path) for path in sorted(many.iterdir())]),
        "again": partial(timed, lambda: digest_files(big, [""], known)),
    }
    if shutil.which("b3sum"):
        contenders["b3sum"] = partial(run, ["b3sum", "--num-threads", "1", str(big)])
    return contenders


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(max(1, size >> 20)):
            file.write(os.urandom(min(size, 1 << 20)))


def _rate(runs: list[Run], size: int) -> Quantity:
    return Quantity("GB/s", [size / r.wall / 1e9 for r in runs])


def _seconds(runs: list[Run]) -> Quantity:
    return Quantity("s", [r.wall for r in runs], cpu=[r.cpu for r in runs])


def _milliseconds(runs: list[Run]) -> Quantity:
    return Quantity("ms", [1000 * r.wall for r in runs])
