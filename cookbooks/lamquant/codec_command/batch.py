"""Does one thing with many files over the cores; a bad one costs a line and does not stop the others."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import typer

from blut_assets.terminal.longwork import shown
from blut_assets.terminal.output import duration, print_json
from blut_resources.machine.flag import Flag
from blut_resources.machine.threads import at_once
from blut_resources.screen import CLEAR, redraws
from blut_resources.text import one_line, output
from cookbooks.lamquant.codec_command.files import BadPlace, FileJob
from cookbooks.lamquant.codec_command.models import NoModel
from cookbooks.lamquant.formats.edf.problems import BadRecording

Row = dict[str, Any]


class Stopped(BaseException):
    """Says that somebody has pressed Ctrl-C, in whatever is at work then."""


class Failed(Exception):
    """Says in a sentence why a file was not dealt with."""


@dataclass
class BatchMeter:
    """Holds how far each file is, and whether all is to end. Safe to call from any thread."""

    total: int
    stop: Flag = field(default_factory=Flag)
    done: int = 0
    shares: dict[str, float] = field(default_factory=dict)

    def at(self, name: str, done: int, of: int) -> None:
        """Note how far a file is.

        Raises:
            Stopped: all is to end.
        """
        if self.stop.is_set():
            raise Stopped
        self.shares[name] = done / max(of, 1)

    def share(self) -> float:
        """Returns how much of all is done, from 0 to 1."""
        return (self.done + sum(list(self.shares.values()))) / max(self.total, 1)


Work = Callable[[FileJob, int, Callable[[int, int], None]], Row]
"""Deals with a file in so many threads, and tells how far it is; returns what is said of it."""


def dealt_with(
    jobs: Sequence[FileJob],
    work: Work,
    told: Callable[[Row], str],
    *,
    verb: str,
    threads: int,
    as_json: bool,
    lost: Callable[[Row], Sequence[str]] = lambda row: (),
) -> NoReturn:
    """Process all files and end the command: 0, or 1 if one of them failed, or 130 after Ctrl-C.

    Args:
        jobs: the files.
        work: what is done with one; what it raises costs a line.
        told: the line of a file that went well.
        verb: what is done, for the line at the bottom of a terminal.
        threads: over all files; 0 for one a core.
        as_json: print a list at the end instead of lines.
        lost: what of a file could not be had, in lines; such a file counts as failed.
    """
    cores = threads or len(os.sched_getaffinity(0))
    files = max(1, min(cores, len(jobs)))
    meter, rows, failed = BatchMeter(len(jobs)), list[Row](), 0
    try:
        with _painted(meter, verb):
            for job, row in _outcomes(jobs, work, meter, files, max(1, cores // files)):
                missed = () if "problem" in row else lost(row)
                failed += "problem" in row or bool(missed)
                rows.append({"file": str(job.source), **row})
                if "problem" in row:
                    _say(f"{job.source}: {row['problem']}", err=True)
                for line in missed:
                    _say(f"{job.source}: {line}", err=True)
                if "problem" not in row and not as_json:
                    _say(told(rows[-1]))
    except KeyboardInterrupt:
        _say("interrupted: files that were not finished are not there", err=True)
        raise typer.Exit(130) from None
    if as_json:
        order = {str(job.source): number for number, job in enumerate(jobs)}
        print_json(sorted(rows, key=lambda row: order[row["file"]]))
    elif len(jobs) > 1:
        _say(
            f"{len(jobs) - failed} of {len(jobs)} files" + (f", {failed} failed" if failed else ""), err=True
        )
    raise typer.Exit(1 if failed else 0)


def _outcomes(
    jobs: Sequence[FileJob], work: Work, meter: BatchMeter, files: int, threads: int
) -> Iterator[tuple[FileJob, Row]]:
    for job, row in at_once(lambda job: _one(job, work, threads, meter), jobs, files, meter.stop.set):
        meter.shares.pop(str(job.source), None)
        meter.done += 1
        yield job, row


def _one(job: FileJob, work: Work, threads: int, meter: BatchMeter) -> Row:
    if job.problem:
        return {"problem": job.problem}
    name = str(job.source)
    try:
        return work(job, threads, lambda done, of: meter.at(name, done, of))
    except EXPECTED as error:
        return {"problem": problem_of(error).removeprefix(f"{name}: ")}


EXPECTED = (BadRecording, BadPlace, NoModel, Failed, MemoryError, OSError, ValueError)
"""What a bad file, or a place for one, may raise: what the codec refuses is a ValueError."""


def problem_of(error: BaseException) -> str:
    """Says in a line why a file was not dealt with."""
    if isinstance(error, BadRecording):
        return f"{error.field}: {error.problem}; {error.remedy}"
    if isinstance(error, MemoryError):
        return "there is not enough memory: close something, or use fewer --threads"
    if isinstance(error, OSError):
        return one_line(
            ": ".join(filter(None, (str(error.filename or ""), error.strerror or type(error).__name__)))
        )
    return one_line(error)


def _say(text: str, err: bool = False) -> None:
    if redraws(sys.stderr):
        os.write(2, CLEAR.encode())
    typer.echo(output(text), err=err)


def _painted(meter: BatchMeter, verb: str) -> contextlib.AbstractContextManager[None]:
    since = time.monotonic()

    def line() -> str:
        share, passed = meter.share(), time.monotonic() - since
        left = f"  ETA {duration(passed / share - passed)}" if share > 0.02 else ""
        return f"{verb}  {meter.done}/{meter.total} files  {100 * share:.0f} %  {duration(passed)}{left}"

    return shown(line)
