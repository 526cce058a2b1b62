"""Verifies a .lqc file: every chunk is whole, can be decoded, and is what the original says."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cookbooks.lamquant.codec_command.batch import Failed, Row
from cookbooks.lamquant.codec_command.files import FileJob
from cookbooks.lamquant.codec_command.pairs import ASKED, Paired, paired
from cookbooks.lamquant.codec_command.promises import AGAIN, ANOTHER, broken, only_aimed_at, others, target_in
from cookbooks.lamquant.codec_command.recorded import FIRST, Recorded, open_recorded
from cookbooks.lamquant.codec_command.sums import Sums
from cookbooks.lamquant.lqc.container.reader import ChunkReader

AT_ONCE = 1 << 20
"""Values that are decoded at a time."""


@dataclass(frozen=True)
class VerifyWanted:
    """Holds how files are to be proved."""

    model: str | None
    against: Path | None


def verified(wanted: VerifyWanted, job: FileJob, threads: int, progress: Callable[[int, int], None]) -> Row:
    """Returns what is said of a file that is whole.

    Raises:
        Failed: it is damaged, the original is another recording, or what was promised of it is not so.
        NoModel: its checkpoint is not there, so that nothing can be said of its samples.
        LqcError: it is no .lqc file.
        BadRecording: the original cannot be read.
    """
    with job.source.open("rb") as file:
        first = file.read(len(FIRST)) == FIRST
    if not first:
        with ChunkReader(job.source) as reader:
            if problems := reader.verify():
                raise Failed("; ".join(problems))
    recorded = open_recorded(job.source, wanted.model, threads)
    if wanted.against is None:
        n_values = _decode_all(recorded, progress)
        return {"samples": n_values, "against": None}
    with paired(wanted.against, recorded) as found:
        return _compared(recorded, found, wanted.against, job.source.stat().st_size, progress)


def _decode_all(recorded: Recorded, progress: Callable[[int, int], None]) -> int:
    done, total = 0, sum(one.n_samples * len(one.channels) for one in recorded.signals)
    for number, one in enumerate(recorded.signals):
        step = max(1, AT_ONCE // len(one.channels))
        for start in range(0, one.n_samples, step):
            done += recorded.read(start, min(start + step, one.n_samples), number).size
            progress(done, total)
    return done


def _compared(
    recorded: Recorded, found: Paired, wanted: Path, n_bytes: int, progress: Callable[[int, int], None]
) -> Row:
    if different := list(others(recorded, found)):
        raise Failed(f"{wanted} is not what it was made of: {'; '.join(different)}: {ANOTHER}")
    target = target_in(recorded.header)
    sums = [Sums() for _ in found.pairs]
    total = sum(pair.n_samples for pair in found.pairs)
    done = 0
    for numbers, _, x, y in found.blocks(AT_ONCE):
        for row, number in enumerate(numbers):
            sums[number].add(x[row], y[row])
        done += x.size
        progress(done, total)
    if wrong := list(broken(recorded, found, sums, target, n_bytes)):
        raise Failed(f"beside {wanted}, {'; '.join(wrong)}: {AGAIN}, or {ANOTHER}")
    rows = [
        {"channel": pair.label, "promised": pair.bound, "max_error": one.largest, "prdn": one.prdn()}
        for pair, one in zip(found.pairs, sums, strict=True)
    ]
    return {
        "samples": total,
        "against": str(wanted),
        "asked": target and recorded.header.facts[ASKED],
        "promised": target is not None and not only_aimed_at(recorded.header),
        "identical": not any(row["max_error"] for row in rows) and not found.missing,
        "max_error": max(row["max_error"] for row in rows),
        "prdn": max((row["prdn"] for row in rows if row["prdn"] is not None), default=None),
        "missing": found.missing,
        "channels": rows,
    }


def told(row: Row) -> str:
    """Returns a line."""
    if row["against"] is None:
        return f"{row['file']}: whole, {row['samples']} samples decoded"
    if row["identical"]:
        return f"{row['file']}: whole, every sample is that of {row['against']}{_promise(row)}"
    missing = f"; not in it: {', '.join(row['missing'])}" if row["missing"] else ""
    prdn = "not measured" if row["prdn"] is None else f"{row['prdn']:.3g} %"
    return (
        f"{row['file']}: whole; beside {row['against']} the worst channel has PRDN {prdn},"
        f" the largest error is {row['max_error']} units{missing}{_promise(row)}"
    )


def _promise(row: Row) -> str:
    if not row["asked"]:
        return "; the file holds no promise"
    asked = ", ".join(f"{name} {value:g}" for name, value in row["asked"].items())
    return f"; asked: {asked}, {'kept' if row['promised'] else 'aimed at without a promise'}"
