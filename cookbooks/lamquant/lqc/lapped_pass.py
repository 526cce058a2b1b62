"""Encodes channels with loss: chooses the hop, finds the steps, keeps the attempt that does as promised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.chunk import frames_per_chunk, in_steps
from cookbooks.lamquant.lqc.container.header import Group, Profile
from cookbooks.lamquant.lqc.course import Course
from cookbooks.lamquant.lqc.curves import ErrorCurves
from cookbooks.lamquant.lqc.hops import choose_hop
from cookbooks.lamquant.lqc.jump_search import find_jumps
from cookbooks.lamquant.lqc.jumps import Baseline
from cookbooks.lamquant.lqc.levels import LEVEL_ZERO, LEVELS_PER_OCTAVE, STEPS_PER_OCTAVE
from cookbooks.lamquant.lqc.measure import MeasuredSignal
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.passes import Frames, Lapped, Material, code, foresee
from cookbooks.lamquant.lqc.pieces import ChunkSpool, CodedGroup, CodingOutcome
from cookbooks.lamquant.lqc.plan import Placed, described
from cookbooks.lamquant.lqc.rate import ErrorSearch, SizeSearch, Steps
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.spatial import pack_plan, plan_for

PILOT_CHUNKS, PILOT_VALUES = 4, 1 << 20
"""A pilot looks at about so many values, of so many chunks at least."""
PILOTS = 4
SURE = 1.004
"""By how much a squared error that is foreseen is taken to be larger."""
MOST_PASSES = 8
ANEW = 6
"""Step indices by which an attempt may differ from that which chose what is done to channels together."""
_PER_LEVEL = STEPS_PER_OCTAVE // LEVELS_PER_OCTAVE


@dataclass(frozen=True)
class LappedAttempt:
    """Holds what one pass over every signal gave, of each lapped group."""

    steps: Steps
    chunks: list[ChunkSpool]
    outcomes: list[CodingOutcome]

    @property
    def errors(self) -> list[NDArray[np.float64]]:
        """Returns the mean squared errors [C] of each group."""
        return [outcome.error for outcome in self.outcomes]


def lapped_plan(
    placed: Placed,
    signal: SignalSource,
    measured: MeasuredSignal,
    steps: NDArray[np.int64],
    model: Model,
    profile: Profile,
    course: Course | None = None,
) -> Lapped:
    """Returns how the moving channels among the rows of a signal are coded, with the best hop.

    ``steps`` [C] are the indices at which the hop is chosen. ``course`` says how fine frames are.
    """
    rows = placed.rows[~measured.constant[placed.rows]]
    dc = np.rint(measured.mean[rows]).astype(np.int64)
    low, high = measured.low[rows], measured.high[rows]

    def read(start: int, stop: int) -> NDArray[np.float64]:
        return signal.read(start, stop)[rows] - dc[:, None].astype(np.float64)

    hop = choose_hop(read, signal.n_samples, signal.rate_hz, steps, model)
    per_chunk = frames_per_chunk(len(rows), hop, signal.rate_hz)
    plan = Lapped(signal, rows, dc, low, high, hop, per_chunk, model, profile, course=course)
    return plan if profile == "device" else replace(plan, baseline=_baseline(plan, steps))


def _baseline(plan: Lapped, steps: NDArray[np.int64]) -> Baseline:
    """Returns the jumps that are worth their bytes at these steps."""
    found = Baseline(plan.per_chunk * plan.hop, plan.signal.n_samples)
    for chunk in range(len(plan.chunks())):
        low, high = found.samples_of(chunk)
        if low < high:
            sizes = 2.0 ** (steps / STEPS_PER_OCTAVE)
            found.hold(chunk, find_jumps(plan.centred(low, high), sizes, plan.signal.rate_hz, plan.hop))
    return found


def pilot_runs(plan: Lapped) -> list[Frames]:
    """Returns chunks, evenly spread, that stand for the whole signal; all of them where they are few."""
    chunks = plan.chunks()
    few = PILOT_VALUES // (len(plan.rows) * plan.hop * plan.per_chunk)
    wanted = max(few, PILOT_CHUNKS)
    if len(chunks) <= wanted:
        return chunks
    return [chunks[int((i + 0.5) * len(chunks) / wanted)] for i in range(wanted)]


def curves_of(material: Material) -> ErrorCurves:
    """Returns the curves of a signal's channels, by its pilot runs."""
    runs = pilot_runs(material.plan)
    parts = [ErrorCurves.of(material.coefficients(run, material.samples(run))) for run in runs]
    return ErrorCurves(np.sum([part.counts for part in parts], axis=0))


def share(material: Material, steps: NDArray[np.int64]) -> None:
    """Find what the channels of a signal have in common, where that is of use to several chunks."""
    plan = material.plan
    if plan.profile == "device" or len(plan.rows) < 2 or plan.n_frames <= plan.per_chunk:
        return
    runs = pilot_runs(plan)
    y = np.concatenate([material.coefficients(run, material.samples(run)) for run in runs], 1)
    still = np.zeros(y.shape[1], np.int8)
    shared = plan_for(in_steps(y, steps, still), plan.signal.rate_hz, plan.n_frames / y.shape[1])
    material.plan = replace(plan, shared=shared)


def attempt(
    materials: Sequence[Material], steps: Steps, workers: Workers, told: Callable[[int], object]
) -> LappedAttempt:
    """Encode every signal at its step indices; ``told`` is called with the samples that each chunk adds."""
    kept = [ChunkSpool() for _ in materials]
    outcomes = []
    for material, indices, chunks in zip(materials, steps, kept, strict=True):
        plan = material.plan

        def keep(data: bytes, chunks: ChunkSpool = chunks, plan: Lapped = plan) -> None:
            chunks.add(data)
            told(plan.per_chunk * plan.hop)

        outcomes.append(code(material, indices, plan.chunks(), workers, keep))
    return LappedAttempt(steps, kept, outcomes)


def search_steps(
    materials: Sequence[Material],
    search: ErrorSearch | SizeSearch,
    size: Callable[[LappedAttempt], int],
    workers: Workers,
    told: Callable[[int], object],
) -> tuple[LappedAttempt, bool, int]:
    """Returns the last attempt of a search, whether that was good, and how many wrote all of the bytes."""
    chosen = search.steps()

    def steps() -> Steps:
        nonlocal chosen
        if _distance(search.steps(), chosen) > ANEW:
            chosen = search.steps()
            for material in materials:
                material.choose_again()
        return search.steps()

    if isinstance(search, ErrorSearch):
        _foresee(materials, search, steps, workers)
    else:
        search.told(*_pilot(materials, steps(), workers), sampled=True)
    made = list[LappedAttempt]()
    while True:
        made.append(attempt(materials, steps(), workers, told))
        n_bytes = size(made[-1]) if isinstance(search, SizeSearch) else 0
        verdict = search.told(made[-1].errors, n_bytes, sampled=False)
        again = any(_distance(one.steps, search.steps()) == 0 for one in made)
        if verdict == "good":
            return made[-1], True, len(made)
        if verdict == "never" or again or len(made) == MOST_PASSES:
            kept = [one for one in made if search.best and _distance(one.steps, search.best) == 0]
            if kept or not again or len(made) == MOST_PASSES:
                return (kept or made)[-1], bool(kept), len(made)


def _distance(some: Steps, others: Steps) -> float:
    return max(float(np.abs(a - b).mean()) for a, b in zip(some, others, strict=True))


def _foresee(
    materials: Sequence[Material], search: ErrorSearch, steps: Callable[[], Steps], workers: Workers
) -> None:
    """Let a search try steps without writing: on a third of the pilot runs first, then on all of them."""
    for number in range(PILOTS):
        runs = [
            pilot_runs(material.plan)[1 if number == 0 else 0 :: 3 if number == 0 else 1]
            for material in materials
        ]
        if not all(runs):
            continue
        every = zip(materials, steps(), runs, strict=True)
        errors = [SURE * foresee(material, indices, run, workers) for material, indices, run in every]
        sampled = any(run != m.plan.chunks() for run, m in zip(runs, materials, strict=True))
        if search.told(errors, 0, sampled=sampled) != "again" and number:
            return


def _pilot(
    materials: Sequence[Material], steps: Steps, workers: Workers
) -> tuple[list[NDArray[np.float64]], float]:
    """Returns errors and bytes of pilot runs, the bytes for all of it."""
    errors, n_bytes = [], 0.0
    for material, indices in zip(materials, steps, strict=True):
        runs, parts = pilot_runs(material.plan)[1::3] or pilot_runs(material.plan)[:1], list[bytes]()
        errors.append(code(material, indices, runs, workers, parts.append).error)
        n_bytes += sum(map(len, parts)) * material.plan.n_frames / sum(stop - first for first, stop in runs)
    return errors, n_bytes


def lapped_piece(
    plan: Lapped, placed: Placed, measured: MeasuredSignal, chunks: ChunkSpool, outcome: CodingOutcome
) -> CodedGroup:
    """Returns the coded group of a plan."""
    facts = described(plan.signal.channels, measured, placed.rows)
    group = Group(
        plan.signal.rate_hz,
        facts,
        "lapped",
        plan.per_chunk,
        plan.signal.n_samples,
        plan.hop,
        "device" if plan.profile == "device" else "full",
        plan.model.digest,
        pack_plan(plan.shared, len(plan.rows)),
    )
    return CodedGroup(group, placed, chunks, outcome)


def levels_of(rms: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the operating level of each channel, [C]: how strong it is without drift, by its step."""
    octaves = np.log2(np.maximum(rms, 1e-9)) - steps / STEPS_PER_OCTAVE
    return LEVEL_ZERO + LEVELS_PER_OCTAVE * octaves


def steps_at(rms: NDArray[np.float64], level: float) -> NDArray[np.int64]:
    """Returns the step index at which each channel is at a level, [C]."""
    octaves = np.log2(np.maximum(rms, 1e-9)) - (level - LEVEL_ZERO) / LEVELS_PER_OCTAVE
    return np.round(STEPS_PER_OCTAVE * octaves).astype(np.int64)
