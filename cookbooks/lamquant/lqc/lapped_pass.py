"""Encodes channels with loss: chooses the hop, finds the steps, keeps the attempt that does as promised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.chunk import frames_per_chunk, in_steps
from cookbooks.lamquant.lqc.container.header import Group, Profile
from cookbooks.lamquant.lqc.curves import Curves
from cookbooks.lamquant.lqc.hops import choose_hop
from cookbooks.lamquant.lqc.jump_search import find_jumps
from cookbooks.lamquant.lqc.jumps import Baseline
from cookbooks.lamquant.lqc.levels import LEVEL_ZERO, LEVELS_PER_OCTAVE, STEPS_PER_OCTAVE
from cookbooks.lamquant.lqc.measure import Measured
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.passes import Frames, Lapped, Turns, code
from cookbooks.lamquant.lqc.pieces import Chunks, Outcome, Piece
from cookbooks.lamquant.lqc.plan import Placed, described
from cookbooks.lamquant.lqc.rate import Search, Steps
from cookbooks.lamquant.lqc.signals import Signal
from cookbooks.lamquant.lqc.spatial import pack_plan, plan_for

PILOT_SHARE, PILOT_RUNS, PILOT_FRAMES = 0.25, 12, 16
PILOT_VALUES = 1 << 20
"""A pilot codes so much of a signal: a share of it, in runs of so many frames, at most so many values."""
MOST_PASSES = 12
ANEW = 6
"""Step indices by which an attempt may differ from that which chose what is done to channels together."""
_PER_LEVEL = STEPS_PER_OCTAVE // LEVELS_PER_OCTAVE


@dataclass(frozen=True)
class Attempt:
    """Holds what one pass over every signal gave, of each lapped group."""

    steps: Steps
    chunks: list[Chunks]
    outcomes: list[Outcome]

    @property
    def errors(self) -> list[NDArray[np.float64]]:
        """Returns the mean squared errors [C] of each group."""
        return [outcome.error for outcome in self.outcomes]


def lapped_plan(
    placed: Placed,
    signal: Signal,
    measured: Measured,
    steps: NDArray[np.int64],
    model: Model,
    profile: Profile,
) -> Lapped:
    """Returns how the moving channels among the rows of a signal are coded, with the best hop.

    ``steps`` [C] are the indices at which the hop is chosen.
    """
    rows = placed.rows[~measured.constant[placed.rows]]
    dc = np.rint(measured.mean[rows]).astype(np.int64)
    low, high = measured.low[rows], measured.high[rows]

    def read(start: int, stop: int) -> NDArray[np.float64]:
        return signal.read(start, stop)[rows] - dc[:, None].astype(np.float64)

    hop = choose_hop(read, signal.n_samples, signal.rate_hz, steps, model)
    per_chunk = frames_per_chunk(len(rows), hop, signal.rate_hz)
    plan = Lapped(signal, rows, dc, low, high, hop, per_chunk, model, profile)
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
    """Returns runs of frames, evenly spread, that stand for the whole signal; all of it where it is short."""
    total = plan.n_frames
    values = max(1, len(plan.rows) * plan.hop)
    wanted = min(int(total * PILOT_SHARE), PILOT_VALUES // values)
    if wanted < PILOT_FRAMES or total < 4 * PILOT_FRAMES:
        return plan.chunks()[: max(1, PILOT_VALUES // (values * plan.per_chunk))]
    runs = min(PILOT_RUNS, wanted // PILOT_FRAMES)
    length = wanted // runs
    starts = np.linspace(0, total - length, runs).astype(int)
    return [(int(start), int(start) + length) for start in starts]


def curves_of(plan: Lapped) -> Curves:
    """Returns the curves of a signal's channels, by its pilot runs."""
    parts = [Curves.of(plan.coefficients(run)) for run in pilot_runs(plan)]
    return Curves(np.sum([part.counts for part in parts], axis=0))


def with_shared(plan: Lapped, steps: NDArray[np.int64]) -> Lapped:
    """Returns a plan with what its channels have in common, where that is of use to several chunks."""
    if plan.profile == "device" or len(plan.rows) < 2 or plan.n_frames <= plan.per_chunk:
        return plan
    y = np.concatenate([plan.coefficients(run) for run in pilot_runs(plan)], 1)
    still = np.zeros(y.shape[1], np.int8)
    shared = plan_for(in_steps(y, steps, still), plan.signal.rate_hz, plan.n_frames / y.shape[1])
    return replace(plan, shared=shared)


def attempt(
    plans: Sequence[Lapped],
    steps: Steps,
    turns: Sequence[Turns],
    workers: Workers,
    told: Callable[[int], object],
) -> Attempt:
    """Encode every plan at its step indices; ``told`` is called with the samples that each chunk adds."""
    kept = [Chunks() for _ in plans]
    outcomes = []
    for plan, indices, chunks, turn in zip(plans, steps, kept, turns, strict=True):

        def keep(data: bytes, chunks: Chunks = chunks, plan: Lapped = plan) -> None:
            chunks.add(data)
            told(plan.per_chunk * plan.hop)

        outcomes.append(code(plan, indices, plan.chunks(), workers, keep, turn))
    return Attempt(steps, kept, outcomes)


def search_steps(
    plans: Sequence[Lapped],
    search: Search,
    size: Callable[[Attempt], int],
    workers: Workers,
    told: Callable[[int], object],
) -> tuple[Attempt, bool, int]:
    """Returns the last attempt of a search, whether that was good, and how many it took."""
    if any(pilot_runs(plan) != plan.chunks() for plan in plans):
        search.told(*_pilot(plans, search.steps(), workers), sampled=True)
    turns = [Turns() for _ in plans]
    at = search.steps()
    passes = 0
    while True:
        steps, passes = search.steps(), passes + 1
        for turn, before, now in zip(turns, at, steps, strict=True):
            if np.abs(now - before).mean() > ANEW:
                turn.clear()
                at = steps
        made = attempt(plans, steps, turns, workers, told)
        verdict = search.told(made.errors, size(made), sampled=False)
        if verdict != "again" or passes == MOST_PASSES:
            return made, verdict == "good", passes


def _pilot(
    plans: Sequence[Lapped], steps: Steps, workers: Workers
) -> tuple[list[NDArray[np.float64]], float]:
    errors, n_bytes = [], 0.0
    for plan, indices in zip(plans, steps, strict=True):
        runs, parts = pilot_runs(plan), list[bytes]()
        errors.append(code(plan, indices, runs, workers, parts.append, {}).error)
        n_bytes += sum(map(len, parts)) * plan.n_frames / sum(stop - first for first, stop in runs)
    return errors, n_bytes


def lapped_piece(plan: Lapped, placed: Placed, measured: Measured, chunks: Chunks, outcome: Outcome) -> Piece:
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
    return Piece(group, placed, chunks, outcome)


def levels_of(rms: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the operating level of each channel, [C]: how strong it is without drift, by its step."""
    octaves = np.log2(np.maximum(rms, 1e-9)) - steps / STEPS_PER_OCTAVE
    return LEVEL_ZERO + LEVELS_PER_OCTAVE * octaves


def steps_at(rms: NDArray[np.float64], level: float) -> NDArray[np.int64]:
    """Returns the step index at which each channel is at a level, [C]."""
    octaves = np.log2(np.maximum(rms, 1e-9)) - (level - LEVEL_ZERO) / LEVELS_PER_OCTAVE
    return np.round(STEPS_PER_OCTAVE * octaves).astype(np.int64)
