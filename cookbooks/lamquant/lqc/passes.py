"""Encodes frames of a signal once at given steps, and measures what decoding will give.

The error is that of the integers which a decoder returns: added up, rounded, clipped.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.chunk import ALONE, CodedChunk, encode_chunk
from cookbooks.lamquant.lqc.container.header import Profile
from cookbooks.lamquant.lqc.course import Course
from cookbooks.lamquant.lqc.jumps import Baseline, pack_jumps
from cookbooks.lamquant.lqc.lapped import analyse, mirrored, n_frames, samples_of_frames, synthesise
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.pieces import CodingOutcome
from cookbooks.lamquant.lqc.planes import Integers
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.spatial import Mixing, RotationPlan

Frames = tuple[int, int]
"""The first frame of a run, and one beyond the last."""
StepsOf = Callable[[NDArray[np.float64]], NDArray[np.int64]]
_KEPT_VALUES = 1 << 22
_ROUNDING = 1 / 12
"""Mean squared error of rounding to whole units."""


@dataclass(frozen=True)
class Lapped:
    """Says which channels of a signal are coded in lapped frames, and how.

    Attributes:
        signal: where the samples are.
        rows: the channels, [C].
        dc: what is subtracted before coding, [C].
        low: what decoded samples are not below, [C].
        high: what decoded samples are not above, [C].
        hop: samples from one frame to the next.
        per_chunk: frames of a chunk.
        model: what codes them.
        profile: ``full`` or ``device``.
        shared: what is done to the channels together in every chunk.
        baseline: the jumps that are taken out before coding.
        course: how fine frames are; None for all alike.
    """

    signal: SignalSource
    rows: NDArray[np.intp]
    dc: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    hop: int
    per_chunk: int
    model: Model
    profile: Profile
    shared: RotationPlan = ALONE
    baseline: Baseline = field(default_factory=Baseline)
    course: Course | None = None

    @property
    def n_frames(self) -> int:
        """Returns frames of the whole signal."""
        return n_frames(self.signal.n_samples, self.hop)

    def chunks(self) -> list[Frames]:
        """Returns the frames of each chunk."""
        return [(f, min(f + self.per_chunk, self.n_frames)) for f in range(0, self.n_frames, self.per_chunk)]

    def read(self, frames: Frames) -> NDArray[np.float64]:
        """Returns what frames cover, less ``dc`` and baseline: [C, (F + 1) * hop], mirrored at the ends."""
        n, hop = self.signal.n_samples, self.hop
        low, high = samples_of_frames(*frames, n, hop)
        return mirrored(self.baseline.off(self.centred(low, high), low), low, *frames, n, hop)

    def centred(self, low: int, high: int) -> NDArray[np.float64]:
        """Returns samples [low, high) of the channels, less ``dc``."""
        return self.signal.read(low, high)[self.rows] - self.dc[:, None].astype(np.float64)

    def offsets(self, frames: Frames) -> NDArray[np.int8] | None:
        """Returns by how many quarter octaves each of these frames is finer, int8 [F]."""
        if self.course is None:
            return None
        return self.course.of_frames(*frames, self.hop, self.signal.rate_hz)

    def beside(self, frames: Frames) -> bytes:
        """Returns what a chunk of these frames says before its coefficients."""
        if self.profile == "device":
            return b""
        return pack_jumps(self.baseline.of(frames[0] // self.per_chunk, len(self.rows)))


class Material:
    """Keeps what passes over a signal have in common: samples and coefficients of runs, while there is room,
    and what is done to the channels of each together.
    """

    def __init__(self, plan: Lapped) -> None:
        self.plan = plan
        self.mixing: dict[Frames, Mixing] = {}
        self._samples: dict[Frames, NDArray[np.float64]] = {}
        self._coefficients: dict[Frames, NDArray[np.float32]] = {}
        self._chosen: dict[Frames, tuple[NDArray[np.int64], Integers]] = {}
        self._room = _KEPT_VALUES

    def samples(self, frames: Frames) -> NDArray[np.float64]:
        """Returns what frames cover, see ``Lapped.read``."""
        if (x := self._samples.get(frames)) is None:
            x = self.plan.read(frames)
            if x.size <= self._room:
                self._samples[frames] = x
                self._room -= x.size
        return x

    def coefficients(self, frames: Frames, x: NDArray[np.float64]) -> NDArray[np.float32]:
        """Returns coefficients [C, F, hop] of frames whose samples are ``x``."""
        if (y := self._coefficients.get(frames)) is None:
            y = analyse(x, self.plan.hop).astype(np.float32)
            if frames in self._samples:
                self._coefficients[frames] = y
        return y

    def chosen(self, frames: Frames, steps: NDArray[np.int64]) -> Integers | None:
        """Returns the integers that were chosen last of frames, if it was at these step indices."""
        at, chosen = self._chosen.get(frames, (steps, None))
        return chosen if np.array_equal(at, steps) else None

    def keep(self, frames: Frames, steps: NDArray[np.int64], chosen: Integers | None) -> None:
        """Update which integers were chosen last, where there is room."""
        if chosen is not None and frames in self._samples:
            self._chosen[frames] = steps, chosen

    def choose_again(self) -> None:
        """Forget what was done to channels together, and the integers that came of it."""
        self.mixing.clear()
        self._chosen.clear()


@dataclass(frozen=True)
class _Coded:
    data: bytes
    outcome: CodingOutcome
    edge: NDArray[np.float64]
    first: NDArray[np.floating]
    last: NDArray[np.floating]


def code(
    material: Material,
    steps: NDArray[np.int64] | StepsOf,
    runs: Iterable[Frames],
    workers: Workers,
    sink: Callable[[bytes], object],
) -> CodingOutcome:
    """Encode runs of frames; ``sink`` is given the bytes of each, in order.

    ``steps`` are the step indices [C] of all, or say them of each run in turn by what it covers. The samples
    between two runs are measured where one follows the other.
    """
    plan, total = material.plan, CodingOutcome.none(len(material.plan.rows))
    before: tuple[int, NDArray[np.floating]] | None = None
    taken: list[Frames] = []

    def blocks() -> Iterator[tuple[NDArray[np.int64], Frames, NDArray[np.float64]]]:
        for run in runs:
            taken.append(run)
            x = material.samples(run)
            yield steps(x) if callable(steps) else steps, run, x

    for number, done in enumerate(workers.map(lambda item: _run(material, *item), blocks())):
        first, stop = taken[number]
        total.join(done.outcome)
        if before is not None and before[0] == first:
            pair = synthesise(np.stack([before[1], done.first], 1))
            total.add(_difference(plan, pair, done.edge, first - 1))
        before = stop, done.last
        sink(done.data)
    return total


def foresee(
    material: Material, steps: NDArray[np.int64], runs: Iterable[Frames], workers: Workers
) -> NDArray[np.float64]:
    """Returns the mean squared error [C] that runs of frames will have, to within a few thousandths.

    No bytes are written, and errors are those of the coefficients: the transform is orthonormal.
    """

    def error(item: tuple[Frames, NDArray[np.float64]]) -> tuple[NDArray[np.float64], int]:
        y = material.coefficients(*item)
        away = _encoded(material, steps, item[0], y, dry=True).coefficients - y
        return np.einsum("cfk,cfk->c", away, away, dtype=np.float64), away[0].size

    total, samples = np.zeros(len(steps)), 0
    for squared, n in workers.map(error, ((run, material.samples(run)) for run in runs)):
        total += squared
        samples += n
    return total / samples + _ROUNDING


def _encoded(
    material: Material, steps: NDArray[np.int64], frames: Frames, y: NDArray[np.float32], *, dry: bool
) -> CodedChunk:
    plan, mixing = material.plan, material.mixing.get(frames)
    coded = encode_chunk(
        y,
        steps,
        plan.signal.rate_hz,
        plan.model,
        plan.profile,
        plan.offsets(frames),
        shared=plan.shared,
        mixing=mixing,
        dry=dry,
        chosen=None if mixing is None else material.chosen(frames, steps),
    )
    material.mixing[frames] = coded.mixing
    material.keep(frames, steps, coded.chosen)
    return coded


def _run(material: Material, steps: NDArray[np.int64], frames: Frames, x: NDArray[np.float64]) -> _Coded:
    coded = _encoded(material, steps, frames, material.coefficients(frames, x), dry=False)
    outcome, back, hop = CodingOutcome.none(len(x)), coded.coefficients, material.plan.hop
    inside = x[:, hop : hop * (frames[1] - frames[0])]
    plan = material.plan
    outcome.add(_difference(plan, synthesise(back), inside, frames[0]))
    data = plan.beside(frames) + coded.data
    return _Coded(data, outcome, x[:, :hop].copy(), back[:, 0].copy(), back[:, -1].copy())


def _difference(
    plan: Lapped, decoded: NDArray[np.float64], x: NDArray[np.float64], block: int
) -> NDArray[np.float64]:
    """Returns decoded less original of what lies within the signal; ``block`` hops lie before it."""
    at = block * plan.hop
    n = max(0, min(x.shape[1], plan.signal.n_samples - at))
    low, high = (plan.low - plan.dc)[:, None], (plan.high - plan.dc)[:, None]
    original, back = (plan.baseline.on(one[:, :n], at) for one in (x, decoded))
    return np.clip(np.rint(back), low, high) - original
