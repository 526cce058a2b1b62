"""Turns one chunk of a group's lapped coefficients into bytes and back.

The bytes: how many stand beside the planes (a variable-length integer), those (``side.py``: each channel's
step, each plane's level, each frame's offset, what is done to channels together), and the planes
(``planes.py``). Planes are coded from the loudest to the quietest, which both ends know from the levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc import varint
from cookbooks.lamquant.lqc.entropy import PlaneSpec
from cookbooks.lamquant.lqc.errors import InputError, PayloadError
from cookbooks.lamquant.lqc.levels import LEVEL_ZERO, MAX_STEP_INDEX, N_LEVELS, STEPS_PER_OCTAVE, level_of
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.planes import Integers, Profile, decode_planes, encode_planes
from cookbooks.lamquant.lqc.refining import Refiner
from cookbooks.lamquant.lqc.side import SideReader, SideWriter, folded, unfolded
from cookbooks.lamquant.lqc.spatial import (
    Mixing,
    RotationPlan,
    apart,
    mixing_for,
    put_plan,
    take_plan,
    together,
)

_VALUES, _SECONDS, _FEW_FRAMES, _MOST_VALUES = 100_000, 120.0, 16, 1 << 21
_STEP, _MORE_STEPS, _LEVEL, _RUN, _OFFSET, _SHARED = range(6)
ALONE = RotationPlan()
"""Nothing is done to channels together."""


@dataclass(frozen=True)
class CodedChunk:
    """Holds a chunk's bytes, the coefficients float32 [C, F, K], in digital units, that they give, and what
    was done to its channels; of one that is not written yet, the integers ``chosen``.
    """

    data: bytes
    coefficients: NDArray[np.float32]
    mixing: Mixing
    chosen: Integers | None = None


def frames_per_chunk(n_channels: int, hop: int, rate_hz: float) -> int:
    """Returns frames of a chunk: about 100,000 values and two minutes at most, so that one decodes quickly.

    Of hundreds of channels a chunk has more values, for what adapts within it needs some frames.
    """
    frames = min(_VALUES / (n_channels * hop), _SECONDS * rate_hz / hop)
    few = min(_FEW_FRAMES, _MOST_VALUES // (n_channels * hop))
    return max(1, few, round(frames))


def _sizes(steps_index: NDArray[np.integer], offsets: NDArray[np.int8]) -> NDArray[np.float32]:
    """Returns the step of each channel and frame in digital units, [C, F, 1]."""
    octaves = np.asarray(steps_index)[:, None] / STEPS_PER_OCTAVE - offsets[None] / 4
    return (2.0 ** octaves[:, :, None]).astype(np.float32)


def in_steps(
    coefficients: NDArray[np.floating], steps_index: NDArray[np.integer], offsets: NDArray[np.int8]
) -> NDArray[np.float32]:
    """Returns coefficients [C, F, K] in the steps of their channels and frames."""
    return coefficients.astype(np.float32) / _sizes(steps_index, offsets)


def encode_chunk(
    coefficients: NDArray[np.floating],
    steps_index: NDArray[np.integer],
    rate_hz: float,
    model: Model,
    profile: Profile,
    offsets: NDArray[np.int8] | None = None,
    shared: RotationPlan = ALONE,
    mixing: Mixing | None = None,
    *,
    dry: bool = False,
    chosen: Integers | None = None,
) -> CodedChunk:
    """Encode lapped coefficients [C, F, hop], in digital units (``lapped.analyse``), one step a channel.

    ``offsets`` [F] says by how many quarter octaves a frame's steps are finer. ``shared`` is the
    group's plan, ``mixing`` what is done to the channels of this chunk: by default that is chosen here, and
    nothing in profile ``device``. ``dry`` writes no bytes, and is for what the error will be;
    what it has ``chosen`` may be given with the same steps and mixing.

    Raises:
        InputError: shapes that do not fit, a step out of range, or values that are not finite.
    """
    channels, frames, hop = coefficients.shape
    if len(steps_index) != channels or np.abs(steps_index).max(initial=0) > MAX_STEP_INDEX:
        raise InputError(f"steps_index: must be {channels} numbers of -{MAX_STEP_INDEX} to {MAX_STEP_INDEX}")
    offsets = np.zeros(frames, np.int8) if offsets is None else offsets
    y = in_steps(coefficients, steps_index, offsets)
    if mixing is None:
        mixing = mixing_for(y, rate_hz, shared) if profile == "full" else Mixing(False, ALONE)
    plans = (shared if mixing.shared else ALONE, mixing.own)
    planes = together(together(y, plans[0], rate_hz), plans[1], rate_hz)
    # a frame's level is the plane's and its offset: what is finer must not count twice
    bare = planes * (2.0 ** (offsets[:, None] / -4)).astype(np.float32) if offsets.any() else planes
    rms = np.sqrt(np.einsum("pfk,pfk->p", bare, bare, dtype=np.float64) / (frames * hop))
    levels = np.array([level_of(float(one), 1.0) for one in rms], np.uint8)
    order = _order(levels)
    spec = PlaneSpec(levels[order], hop, rate_hz, offsets)
    coded = encode_planes(planes[order], spec, model.entropy, model.lam, profile, dry=dry, chosen=chosen)
    back = _to_channels(coded.recon, order, steps_index, offsets, plans, rate_hz)
    if dry:
        return CodedChunk(b"", back, mixing, coded.chosen)
    side = pack_side(steps_index, levels, offsets, mixing)
    head = bytearray()
    varint.put(head, len(side))
    return CodedChunk(bytes(head) + side + coded.data, back, mixing)


def decode_chunk(
    data: bytes,
    shape: tuple[int, int, int],
    rate_hz: float,
    model: Model,
    profile: Profile,
    shared: RotationPlan = ALONE,
    refiner: Refiner | None = None,
) -> NDArray[np.float32]:
    """Returns the coefficients float32 [C, F, hop] of a chunk of this shape, in digital units.

    ``refiner``, if given, is asked once the planes are decoded, and sees nothing but them.

    Raises:
        PayloadError: bytes that cannot be such a chunk.
    """
    channels, frames, hop = shape
    side, coded = open_chunk(data)
    steps_index, levels, offsets = _take_side(side, channels, frames)
    plans = (ALONE, ALONE)
    if channels > 1:
        plans = (shared if side.take(_SHARED, 1)[0] else ALONE, take_plan(side, shape, rate_hz))
    order = _order(levels)
    spec = PlaneSpec(levels[order], hop, rate_hz, offsets)
    planes = decode_planes(coded, shape, spec, model.entropy, profile)
    if refiner is not None:
        planes = refiner.refined(planes, spec, profile)
    return _to_channels(planes, order, steps_index, offsets, plans, rate_hz)


def open_chunk(data: bytes) -> tuple[SideReader, bytes]:
    """Returns what stands beside the planes of a chunk, and the coded planes.

    Raises:
        PayloadError: bytes that cannot be a chunk.
    """
    cursor = varint.Cursor(data)
    beside = cursor.take_bytes("what stands beside the planes", cursor.take("its size", len(data)))
    return SideReader(beside), cursor.rest()


def planes_of_chunk(data: bytes, shape: tuple[int, int, int], rate_hz: float) -> tuple[PlaneSpec, bytes]:
    """Returns what is known of the planes of a chunk of this shape, and the coded planes.

    Raises:
        PayloadError: bytes that cannot be such a chunk.
    """
    side, coded = open_chunk(data)
    _, levels, offsets = _take_side(side, *shape[:2])
    return PlaneSpec(levels[_order(levels)], shape[2], rate_hz, offsets), coded


def _order(levels: NDArray[np.uint8]) -> NDArray[np.intp]:
    return np.argsort(-levels.astype(np.int64), kind="stable")


def offsets_in(data: bytes, channels: int, frames: int) -> NDArray[np.int8]:
    """Returns by how many quarter octaves each frame of a chunk is finer, int8 [F].

    Raises:
        PayloadError: bytes that cannot be such a chunk.
    """
    cursor = varint.Cursor(data)
    side = SideReader(cursor.take_bytes("what stands beside the planes", cursor.take("its size", len(data))))
    return _take_side(side, channels, frames)[2]


def _to_channels(
    planes: NDArray[np.float32],
    order: NDArray[np.intp],
    steps_index: NDArray[np.integer],
    offsets: NDArray[np.int8],
    plans: tuple[RotationPlan, RotationPlan],
    rate_hz: float,
) -> NDArray[np.float32]:
    ordered = np.empty_like(planes)
    ordered[order] = planes
    channels = apart(apart(ordered, plans[1], rate_hz), plans[0], rate_hz)
    return channels * _sizes(steps_index, offsets)


def pack_side(
    steps_index: NDArray[np.integer], levels: NDArray[np.uint8], offsets: NDArray[np.int8], mixing: Mixing
) -> bytes:
    """Returns what stands beside the planes: steps [C], their levels [C], frames' offsets [F], the mixing."""
    side = SideWriter()
    side.put(_STEP, folded(steps_index[:1]))
    side.put(_MORE_STEPS, folded(np.diff(steps_index)))
    side.put(_LEVEL, folded(np.diff(levels.astype(np.int64), prepend=LEVEL_ZERO)))
    starts = np.flatnonzero(np.diff(offsets, prepend=np.int8(0)))
    at, last = -1, 0
    for start in [*starts.tolist(), len(offsets)]:
        side.put(_RUN, start - at - 1)
        if start < len(offsets):
            side.put(_OFFSET, folded(np.array([int(offsets[start]) - last])))
            at, last = start, int(offsets[start])
    if len(levels) > 1:
        side.put(_SHARED, int(mixing.shared))
        put_plan(side, mixing.own, len(levels))
    return side.pack()


def _take_side(
    side: SideReader, channels: int, frames: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int8]]:
    first, more = side.take(_STEP, 1), side.take(_MORE_STEPS, channels - 1)
    steps_index = np.cumsum(unfolded(np.concatenate([first, more])))
    if np.abs(steps_index).max() > MAX_STEP_INDEX:
        raise PayloadError(f"a step of 2**({np.abs(steps_index).max()}/64) units: the chunk is damaged")
    levels = LEVEL_ZERO + np.cumsum(unfolded(side.take(_LEVEL, channels)))
    if levels.min() < 0 or levels.max() >= N_LEVELS:
        raise PayloadError(f"levels of {levels.min()} to {levels.max()}: the chunk is damaged")
    offsets, at, last = np.zeros(frames, np.int8), -1, 0
    while True:
        at += int(side.take(_RUN, 1)[0]) + 1
        if at >= frames:
            break
        last += int(unfolded(side.take(_OFFSET, 1))[0])
        if not -128 <= last < 128:
            raise PayloadError(f"frame {at}: an offset of {last} quarter octaves: the chunk is damaged")
        offsets[at:] = last
    return steps_index, levels.astype(np.uint8), offsets
