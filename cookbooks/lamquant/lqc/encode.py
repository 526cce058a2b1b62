"""Turns recordings into ``.lqc`` files: whole arrays, or signals of any length with bounded memory."""

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader, Profile
from cookbooks.lamquant.lqc.course import Course
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.exact_pass import exact_piece
from cookbooks.lamquant.lqc.lossy import Lossy
from cookbooks.lamquant.lqc.measure import MeasuredSignal, measure
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.one_pass import NOTE, OnePass, one_pass
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.pieces import CodedGroup, header_of, write_file
from cookbooks.lamquant.lqc.plan import Placed
from cookbooks.lamquant.lqc.signals import SignalSource, array_signal
from cookbooks.lamquant.lqc.targets import Level, MaxError, Target, check_target

Progress = Callable[[int, int], object]
_NOTHING = FileHeader(())


@dataclass(frozen=True)
class EncodedFile:
    """Says what a recording has become.

    Attributes:
        n_bytes: size of the file.
        prdn: error in percent of the standard deviation, of the worst channel.
        max_error: largest error of a sample, digital units.
        passes: how often all of it was coded.
        notes: what was done otherwise than asked, in sentences.
    """

    n_bytes: int
    prdn: float
    max_error: int
    passes: int
    notes: tuple[str, ...]


def encode(
    x: NDArray[np.integer],
    rate_hz: float,
    model: Model | None = None,
    target: Target = MaxError(0),  # noqa: B008 - frozen
    *,
    profile: Profile = "full",
    channels: Sequence[ChannelFacts | str] | None = None,
    course: Course | None = None,
    threads: int = 0,
) -> bytes:
    """Returns the ``.lqc`` file of a recording.

    Args:
        x: the recorder's integers (digital values, int32), [channels, samples].
        rate_hz: samples a second.
        model: a trained checkpoint, see ``load_model``; ``MaxError`` needs none.
        target: what is promised; without one, every sample comes back as it was.
        profile: ``full``, or ``device`` for what a microcontroller can write: in one pass, so that a
            ``NoiseRatio`` is aimed at and not promised, and no other error or size can be kept.
        channels: a label, or all that is known, of each channel.
        course: how fine the recording is coded as time goes by; what the target asks holds for the whole.
        threads: how many to use; 0 for one a core. The bytes are the same.

    Raises:
        InputError: another shape, type or unit than meant, or a target that cannot be kept.
    """
    out = io.BytesIO()
    made = encode_stream(
        [array_signal(x, rate_hz, channels)],
        out,
        model,
        target,
        profile=profile,
        courses=[course],
        threads=threads,
    )
    for note in made.notes:
        warnings.warn(note, stacklevel=2)
    return out.getvalue()


def encode_stream(
    signals: Sequence[SignalSource],
    out: BinaryIO,
    model: Model | None = None,
    target: Target = MaxError(0),  # noqa: B008 - frozen
    *,
    profile: Profile = "full",
    about: FileHeader = _NOTHING,
    courses: Sequence[Course | None] = (),
    threads: int = 0,
    progress: Progress = lambda done, of: None,
) -> EncodedFile:
    """Write the ``.lqc`` file of signals of one rate each, which are read several times from start to end.

    Memory holds a few chunks, and what is coded only up to 64 MiB.

    Args:
        signals: what is coded, each with its own rate.
        out: where the file goes; it is only written to.
        model: as for ``encode``.
        target: as for ``encode``; of several signals the bytes are those of all.
        profile: as for ``encode``.
        about: what else is known: gaps (``group`` counts signals), annotations, facts.
        courses: of each signal, as for ``encode``; none if empty.
        threads: as for ``encode``.
        progress: called with samples done, and about how many there will be.

    Raises:
        InputError: as ``encode``.
    """
    if not signals:
        raise InputError("there is no signal: give at least one")
    check_target(target)
    if model is None and not isinstance(target, MaxError):
        raise InputError(f"target {target.name} needs a model: give one, or max_error=0 for lossless")
    courses = [*courses] or [None] * len(signals)
    _check_courses(courses, signals, model, target)
    workers = Workers(threads)
    told = _Told(progress, 3 * sum(signal.n_samples for signal in signals))
    try:
        if profile == "device" and model is not None and not isinstance(target, MaxError):
            made = [
                _exactly(n, signal, workers, told)
                if signal.exact
                else one_pass(n, signal, target, model, workers, told, courses[n])
                for n, signal in enumerate(signals)
            ]
            measured, pieces = [one.measured for one in made], [one.piece for one in made]
            passes, notes = 1, (NOTE,)
        elif isinstance(target, MaxError) or model is None:
            measured = [measure(signal) for signal in signals]
            pieces = [
                exact_piece(signal, _all(number, signal), m, _bound(target, signal), workers, told)
                for number, (signal, m) in enumerate(zip(signals, measured, strict=True))
            ]
            passes, notes = 1, ()
        else:
            measured = [measure(signal) for signal in signals]
            lossy = Lossy(signals, measured, model, target, profile, about, workers, told, courses)
            pieces, passes, notes = lossy.pieces(), lossy.passes, tuple(lossy.notes)
    finally:
        workers.close()
    counted = _Counted(out)
    write_file(cast(BinaryIO, counted), header_of(about, pieces, signals), pieces)
    told.finished()
    return EncodedFile(counted.n_bytes, _worst_prdn(pieces, measured), _largest(pieces), passes, notes)


def _exactly(number: int, signal: SignalSource, workers: Workers, told: Callable[[int], object]) -> OnePass:
    measured, bounds = measure(signal), np.zeros(len(signal.channels), np.int64)
    return OnePass(exact_piece(signal, _all(number, signal), measured, bounds, workers, told), measured)


def _check_courses(
    courses: Sequence[Course | None], signals: Sequence[SignalSource], model: Model | None, target: Target
) -> None:
    """Refuse courses that cannot be kept, and levels that the model was not trained for."""
    if len(courses) != len(signals):
        raise InputError(f"courses: {len(courses)} of them for {len(signals)} signals: give one for each")
    for number, (course, signal) in enumerate(zip(courses, signals, strict=True)):
        if course is not None and (signal.exact or isinstance(target, MaxError)):
            raise InputError(f"course of signal {number}: it is coded exactly, without steps: give None")
    if not isinstance(target, Level) or model is None:
        return
    low, high = model.levels
    for course in courses:
        finer = np.zeros(1, np.int64) if course is None else course.finer
        least, most = target.level + int(finer.min()), target.level + int(finer.max())
        if least < low or most > high:
            raise InputError(
                f"target level={target.level:g}: from {least:g} to {most:g} along the course: the model was"
                f" trained for {low} to {high}"
            )


def _all(number: int, signal: SignalSource) -> Placed:
    return Placed(number, np.arange(len(signal.channels)))


def _bound(target: Target, signal: SignalSource) -> NDArray[np.int64]:
    units = target.units if isinstance(target, MaxError) and not signal.exact else 0
    return np.full(len(signal.channels), units, np.int64)


def _worst_prdn(pieces: Sequence[CodedGroup], measured: Sequence[MeasuredSignal]) -> float:
    worst = 0.0
    for piece in pieces:
        of = measured[piece.placed.signal]
        moving = piece.placed.rows[~of.constant[piece.placed.rows]]
        if len(moving):
            worst = max(worst, float((100 * np.sqrt(piece.outcome.error) / of.std[moving]).max()))
    return worst


def _largest(pieces: Sequence[CodedGroup]) -> int:
    return int(max((piece.outcome.largest.max(initial=0) for piece in pieces), default=0))


class _Told:
    """Tells a caller how far it is, never more than all."""

    def __init__(self, progress: Progress, of: int) -> None:
        self._progress, self._of, self._done = progress, of, 0

    def __call__(self, samples: int) -> None:
        self._done = min(self._done + samples, self._of)
        self._progress(self._done, self._of)

    def finished(self) -> None:
        """Say that all is done."""
        self._progress(self._of, self._of)


class _Counted:
    """Writes to a file and counts the bytes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self.n_bytes = out, 0

    def write(self, data: bytes) -> int:
        """Returns how many bytes were written."""
        self.n_bytes += len(data)
        return self._out.write(data)

    def flush(self) -> None:
        """Flush the file."""
        self._out.flush()
