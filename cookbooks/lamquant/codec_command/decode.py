"""Decodes one file: to EDF, BDF or an array, written a few records at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cookbooks.lamquant.codec_command.batch import Failed, Row
from cookbooks.lamquant.codec_command.edf_out import CannotWrite, Kind, kind_of, write_edf
from cookbooks.lamquant.codec_command.files import FileJob, finished
from cookbooks.lamquant.codec_command.recorded import Recorded, open_recorded
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.lqc.errors import ChunkError
from cookbooks.lamquant.lqc.lost import lost_in, lost_line

SUFFIXES = {".edf": "EDF", ".bdf": "BDF", ".npy": "NPY"}
AT_ONCE = 1 << 20
"""Values that are decoded at a time."""


@dataclass(frozen=True)
class DecodeWanted:
    """Holds how files are to be decoded; ``kind`` is None where each becomes what it was."""

    model: str | None
    kind: str | None
    force: bool
    keep_damaged: bool = False
    decoder: Path | None = None


def decoded(wanted: DecodeWanted, job: FileJob, threads: int, progress: Callable[[int, int], None]) -> Row:
    """Returns what is said of a file that was decoded.

    Raises:
        NoModel: its checkpoint is not there.
        LqcError: it is damaged.
        BadPlace: its place is taken.
        Failed: the format cannot hold it.
    """
    keep = wanted.keep_damaged
    recorded = open_recorded(job.source, wanted.model, threads, "mark" if keep else "raise", wanted.decoder)
    kind = wanted.kind or kind_of(recorded)
    target = job.target
    if SUFFIXES.get(target.suffix.lower()) != kind:
        target = target.with_name(f"{target.name}.{kind.lower()}")
    row: Row = {"output": str(target), "format": kind}
    try:
        with finished(target, job.source, wanted.force) as part:
            if kind == "NPY":
                row["left_out"] = _write_array(recorded, part, progress)
            else:
                with part.open("wb") as file:
                    row["repeated_samples"] = write_edf(recorded, file, _kind(kind), progress)
    except CannotWrite as error:
        raise Failed(str(error)) from error
    except ChunkError as error:
        raise Failed(f"{error}; --damaged keep writes the rest") from error
    first = recorded.signals[0]
    return row | {
        "channels": sum(len(one.channels) for one in recorded.signals),
        "seconds": first.n_samples / first.rate_hz,
        "bytes": target.stat().st_size,
        "damaged": lost_in(recorded) if isinstance(recorded, Decoder) else [],
    }


def lost_told(row: Row) -> list[str]:
    """Returns a line for each stretch that is lost."""
    return [lost_line(one) for one in row["damaged"]]


def _kind(kind: str) -> Kind:
    return "EDF" if kind == "EDF" else "BDF"


def _write_array(recorded: Recorded, path: Path, progress: Callable[[int, int], None]) -> int:
    """Write int32 ``[C, T]`` of the first signal; returns how many channels of other rates are not in it."""
    first = recorded.signals[0]
    shape = len(first.channels), first.n_samples
    out = np.lib.format.open_memmap(path, "w+", np.int32, shape)
    step = max(1, AT_ONCE // shape[0])
    for start in range(0, shape[1], step):
        stop = min(start + step, shape[1])
        out[:, start:stop] = recorded.read(start, stop)
        progress(stop, shape[1])
    out.flush()
    return sum(len(one.channels) for one in recorded.signals[1:])
