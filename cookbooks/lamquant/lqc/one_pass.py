"""Encodes a signal in one pass, as a microcontroller does: nothing is known of it but what has passed.

Each chunk's steps follow from how strong its channels were in the chunk before. The error is about what was
asked, and not promised: only who knows the whole recording can promise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.chunk import frames_per_chunk
from cookbooks.lamquant.lqc.container.header import INT32
from cookbooks.lamquant.lqc.course import Course
from cookbooks.lamquant.lqc.curves import ErrorCurves
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.hops import HOPS
from cookbooks.lamquant.lqc.lapped import analyse
from cookbooks.lamquant.lqc.lapped_pass import lapped_piece, steps_at
from cookbooks.lamquant.lqc.measure import MeasuredSignal
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.passes import Lapped, Material, code
from cookbooks.lamquant.lqc.pieces import ChunkSpool, CodedGroup
from cookbooks.lamquant.lqc.plan import Placed
from cookbooks.lamquant.lqc.rms import fast_rms
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.targets import Level, NoiseRatio, Target

FRAME_S = 1.0
"""Seconds from frame to frame, nearly."""
NOTE = "profile device codes in one pass: the error is about the one asked for, and not promised"


@dataclass(frozen=True)
class OnePass:
    """Holds what a pass gave, and what was seen of the signal on the way."""

    piece: CodedGroup
    measured: MeasuredSignal


def one_pass(
    number: int,
    signal: SignalSource,
    target: Target,
    model: Model,
    workers: Workers,
    told: Callable[[int], object],
    course: Course | None = None,
) -> OnePass:
    """Returns the coded signal, the ``number``-th of its file, its frames as fine as ``course`` says.

    Raises:
        InputError: a target that needs to know the whole recording.
    """
    if not isinstance(target, NoiseRatio | Level):
        raise InputError(
            f"target {target.name} with profile device, which sees a recording once: use noise_ratio (a tier)"
        )
    plan = _plan(signal, model, course)
    material, seen = Material(plan), _Seen(plan, target, model)
    chunks = ChunkSpool()

    def keep(data: bytes) -> None:
        chunks.add(data)
        told(plan.per_chunk * plan.hop)

    outcome = code(material, seen.steps, plan.chunks(), workers, keep)
    measured = seen.measured()
    piece = lapped_piece(plan, Placed(number, plan.rows), measured, chunks, outcome)
    return OnePass(piece, measured)


def _plan(signal: SignalSource, model: Model, course: Course | None) -> Lapped:
    about = signal.channels
    first = signal.read(0, 1)[:, 0].astype(np.int64)
    low = np.array([INT32[0] if one.digital_min is None else one.digital_min for one in about], np.int64)
    high = np.array([INT32[1] if one.digital_max is None else one.digital_max for one in about], np.int64)
    low, high = np.minimum(low, high), np.maximum(low, high)
    hop = min(HOPS, key=lambda one: abs(np.log2(one / signal.rate_hz / FRAME_S)))
    per_chunk = frames_per_chunk(len(about), hop, signal.rate_hz)
    rows = np.arange(len(about))
    dc = np.clip(first, low, high)
    return Lapped(signal, rows, dc, low, high, hop, per_chunk, model, "device", course=course)


class _Seen:
    """Follows a signal chunk by chunk, and says each chunk's steps from the one before it."""

    def __init__(self, plan: Lapped, target: NoiseRatio | Level, model: Model) -> None:
        self._plan, self._target, self._levels = plan, target, model.levels
        self._steps: NDArray[np.int64] | None = None
        self._sum, self._square, self._n = np.zeros(len(plan.rows)), np.zeros(len(plan.rows)), 0

    def steps(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the step indices [C] of the next chunk, which covers centred samples x [C, n]."""
        before, self._steps = self._steps, self._fitting(x)
        inside = x[:, self._plan.hop :][:, : self._plan.signal.n_samples - self._n]
        self._sum += inside.sum(1)
        self._square += np.einsum("ct,ct->c", inside, inside)
        self._n += inside.shape[1]
        return self._steps if before is None else before

    def _fitting(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the step indices that would have suited a chunk; of a still channel, those before."""
        rms = np.array([fast_rms(one, self._plan.signal.rate_hz) for one in x])
        heard = np.maximum(rms, 1.0)
        if isinstance(self._target, Level):
            steps = steps_at(heard, self._target.level)
        else:
            curves = ErrorCurves.of(analyse(x, self._plan.hop))
            steps = curves.solve((self._target.ratio * heard) ** 2, np.ones(len(x)))
            low, high = self._levels
            steps = np.clip(steps, steps_at(heard, high), steps_at(heard, low))
        return steps if self._steps is None else np.where(rms > 0, steps, self._steps)

    def measured(self) -> MeasuredSignal:
        """Returns what is now known of the channels; range and middle are those of the header."""
        mean = self._sum / self._n
        std = np.sqrt(np.maximum(self._square / self._n - mean**2, 0))
        dc, nothing = self._plan.dc, np.zeros(len(mean))
        low, high = self._plan.low, self._plan.high
        return MeasuredSignal(dc, low, high, dc.astype(np.float64), np.maximum(std, 1e-9), std, nothing)
