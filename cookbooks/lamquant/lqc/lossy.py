"""Encodes signals at a target with loss, each channel by what serves it: lapped frames, or exactly."""

import math
from collections.abc import Callable, Sequence
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.container.header import FileHeader, Profile
from cookbooks.lamquant.lqc.course import Course
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.exact_pass import exact_piece
from cookbooks.lamquant.lqc.lapped_pass import (
    LappedAttempt,
    attempt,
    curves_of,
    lapped_piece,
    lapped_plan,
    levels_of,
    search_steps,
    share,
    steps_at,
)
from cookbooks.lamquant.lqc.measure import MeasuredSignal
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.passes import Lapped, Material
from cookbooks.lamquant.lqc.pieces import ByteCounter, CodedGroup, header_of, write_file
from cookbooks.lamquant.lqc.plan import Placed, allowed_rms, exact_rows, max_error_for
from cookbooks.lamquant.lqc.rate import ErrorSearch, SizeSearch
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.targets import Bitrate, Cr, Level, Target

FIRST_LEVEL = 14.0
"""At which the hop is chosen where a target does not say more."""
FINEST = 26
"""The finest level at which a channel may lie: planes of channels that help each other are trained so far."""
_NOISE_OF_LEVEL_ZERO = 0.18
"""RMS error, as a share of a channel's RMS without drift, that level 16 usually gives."""
DEAR = 2.0
"""From so many bits a value on, exact coding may be the smaller one."""


class Lossy:
    """Encodes signals at a target; ``pieces`` does it, ``passes`` and ``notes`` say how it went."""

    def __init__(
        self,
        signals: Sequence[SignalSource],
        measured: Sequence[MeasuredSignal],
        model: Model,
        target: Target,
        profile: Profile,
        about: FileHeader,
        workers: Workers,
        told: Callable[[int], object],
        courses: Sequence[Course | None],
    ) -> None:
        self.signals, self.measured, self.model, self.target = signals, measured, model, target
        self.profile: Profile = profile
        self.about, self.workers, self.told, self.courses = about, workers, told, courses
        self.passes, self.notes = 0, list[str]()

    def pieces(self) -> list[CodedGroup]:
        """Returns the coded groups, in the order of the file.

        Raises:
            InputError: the target lies outside of what the model was trained for.
        """
        exactly = [
            exact_rows(self.target, m) | signal.exact
            for signal, m in zip(self.signals, self.measured, strict=True)
        ]
        budget = self._budget()
        if budget is not None and (whole := self._lossless(exactly, budget)) is not None:
            return whole
        while (made := self._attempt(exactly)) is None:
            pass  # what no step serves is coded exactly the next time
        coded = any(piece.chunks.n_bytes for piece in made)  # a still recording is little but its header
        if budget is not None and coded and (size := self._size(made)) > budget:
            raise InputError(
                f"target {self.target.name} asks for fewer bytes than there can be: what is coded exactly"
                f" takes {size}, and {int(budget)} are allowed: {self._larger()}"
            )
        return made

    def _lossless(self, exactly: Sequence[NDArray[np.bool_]], budget: float) -> list[CodedGroup] | None:
        """Returns every channel coded exactly if the bytes suffice; None also where that is not likely."""
        lossy = any((~rows & ~m.constant).any() for rows, m in zip(exactly, self.measured, strict=True))
        if not lossy or 8 * budget < DEAR * sum(signal.size for signal in self.signals):
            return None
        made = [self._exact(Placed(n, np.arange(len(rows)))) for n, rows in enumerate(exactly)]
        if self._size(made) > budget:
            return None
        self.passes = 1
        self.notes.append(f"target {self.target.name} allows all samples as they are: coded without loss")
        return made

    def _larger(self) -> str:
        return "ask for a smaller cr" if isinstance(self.target, Cr) else "ask for a larger bitrate"

    def _attempt(self, exactly: list[NDArray[np.bool_]]) -> list[CodedGroup] | None:
        """Returns the pieces, or None after channels were added to those that are coded ``exactly``."""
        exact, lapped = list[CodedGroup](), list[Placed]()
        for number, (rows, m) in enumerate(zip(exactly, self.measured, strict=True)):
            if not (~rows & ~m.constant).any():
                exact.append(self._exact(Placed(number, np.arange(len(rows)))))
                continue
            lapped.append(Placed(number, np.flatnonzero(~rows)))
            if rows.any():
                exact.append(self._exact(Placed(number, np.flatnonzero(rows))))
        coded = self._lapped(lapped, exact, exactly)
        if coded is None:
            return None
        return _in_order([*coded, *exact])

    def _size(self, pieces: Sequence[CodedGroup]) -> int:
        """Returns the bytes of a file of these pieces."""
        counter, ordered = ByteCounter(), _in_order(pieces)
        write_file(cast(BinaryIO, counter), header_of(self.about, ordered, self.signals), ordered)
        return counter.n_bytes

    def _exact(self, placed: Placed) -> CodedGroup:
        """Returns rows of a signal coded with the largest bounds that keep what each channel is allowed."""
        signal, m = self.signals[placed.signal], self.measured[placed.signal]
        allowed = allowed_rms(self.target, m)
        if allowed is None or signal.exact:
            allowed = np.zeros(len(m.std))
        bounds = np.array([max_error_for(float(allowed[row])) for row in placed.rows], np.int64)
        moving = ~m.constant[placed.rows]
        while True:
            piece = exact_piece(signal, placed, m, bounds, self.workers, self.told)
            missed = np.sqrt(piece.outcome.error) > allowed[placed.rows][moving]
            if not (missed & (bounds[moving] > 0)).any():
                return piece
            bounds[np.flatnonzero(moving)[missed]] //= 2

    def _lapped(
        self, placed: Sequence[Placed], exact: Sequence[CodedGroup], exactly: list[NDArray[np.bool_]]
    ) -> list[CodedGroup] | None:
        if not placed:
            return []
        materials = [Material(self._plan(one)) for one in placed]
        plans = [material.plan for material in materials]
        rms = [self.measured[p.signal].fast_rms[plan.rows] for p, plan in zip(placed, plans, strict=True)]

        def made_of(one: LappedAttempt) -> list[CodedGroup]:
            every = zip(materials, placed, one.chunks, one.outcomes, strict=True)
            return [lapped_piece(m.plan, o, self.measured[o.signal], c, e) for m, o, c, e in every]

        def size(one: LappedAttempt) -> int:
            return self._size([*made_of(one), *exact])

        if isinstance(self.target, Level):
            at = [steps_at(one, self.target.level) for one in rms]
            for material, steps in zip(materials, at, strict=True):
                share(material, steps)
            self.passes = 1
            return [
                self._smaller(piece) for piece in made_of(attempt(materials, at, self.workers, self.told))
            ]
        search = self._search(materials, placed, rms)
        for material, steps in zip(materials, search.steps(), strict=True):
            share(material, steps)
        last, good, self.passes = search_steps(materials, search, size, self.workers, self.told)
        self._guard(np.concatenate([levels_of(r, s) for r, s in zip(rms, last.steps, strict=True)]), good)
        if good or isinstance(search, SizeSearch):
            return [self._smaller(piece) for piece in made_of(last)]
        for plan, p, missed in zip(plans, placed, search.missed(last.errors), strict=True):
            exactly[p.signal][plan.rows[missed]] = True
        return None

    def _plan(self, placed: Placed) -> Lapped:
        m = self.measured[placed.signal]
        rows = placed.rows[~m.constant[placed.rows]]
        first = self.target.level if isinstance(self.target, Level) else FIRST_LEVEL
        steps = steps_at(m.fast_rms[rows], first)
        allowed = allowed_rms(self.target, m)
        if allowed is not None:
            ratio = np.maximum(allowed[rows] / np.maximum(m.fast_rms[rows], 1e-9), 1e-3)
            steps = steps_at(m.fast_rms[rows], 16.0) + np.round(
                64 * np.log2(ratio / _NOISE_OF_LEVEL_ZERO)
            ).astype(np.int64)
        signal, course = self.signals[placed.signal], self.courses[placed.signal]
        return lapped_plan(placed, signal, m, steps, self.model, self.profile, course)

    def _search(
        self, materials: Sequence[Material], placed: Sequence[Placed], rms: list[NDArray[np.float64]]
    ) -> ErrorSearch | SizeSearch:
        curves = [curves_of(material) for material in materials]
        if (budget := self._budget()) is not None:
            return SizeSearch(curves, rms, budget, FINEST)
        allowed = [
            np.square(
                cast(NDArray[np.float64], allowed_rms(self.target, self.measured[p.signal]))[
                    material.plan.rows
                ]
            )
            for p, material in zip(placed, materials, strict=True)
        ]
        finest = [steps_at(one, FINEST) for one in rms]
        coarsest = [steps_at(one, self.model.levels[0]) for one in rms]
        return ErrorSearch(curves, allowed, finest, coarsest)

    def _budget(self) -> float | None:
        """Returns the bytes of a whole file that the target allows; None where it speaks of errors."""
        match self.target:
            case Cr(ratio, raw_bits):
                return sum(math.ceil(signal.size * raw_bits / 8) for signal in self.signals) / ratio
            case Bitrate(bits):
                return bits / 8 * max(signal.n_samples / signal.rate_hz for signal in self.signals)
            case _:
                return None

    def _guard(self, levels: NDArray[np.float64], good: bool) -> None:
        """Refuse what the model was not trained for, and say what was done instead where that is better."""
        low, high = self.model.levels
        middle, bytes_asked = float(np.median(levels)), self._budget() is not None
        asked, trained = f"target {self.target.name}", f"the model was trained for {low} to {high}"
        if bytes_asked and not good:
            raise InputError(f"{asked} asks for fewer bytes than there can be: {trained}: {self._larger()}")
        if bytes_asked and middle < low - 0.5:
            raise InputError(f"{asked} needs level {middle:.1f}, {trained}: {self._larger()}")
        if not bytes_asked and middle > FINEST - 0.5:
            raise InputError(
                f"{asked} needs level {middle:.1f} or more, {trained}: ask for a larger error, or for"
                " max_error, which needs no model"
            )
        if middle > high + 0.5:
            remedy = "max_error (--max-error N) may give a smaller file, or ask for less quality"
            self.notes.append(
                f"{asked} is finer than the model was trained for (level {middle:.1f}, not {low} to {high}):"
                f" {remedy}"
            )
        if not bytes_asked and middle < low + 0.5:
            self.notes.append(
                f"{asked} allows more error than the model was trained for: coded at level {low}, the"
                " coarsest, with less error than that; no larger value makes the file smaller"
            )

    def _smaller(self, piece: CodedGroup) -> CodedGroup:
        """Returns a piece, or what exact coding makes of its channels where that is smaller.

        One with a course stays as it is: exact samples would not say which course it was.
        """
        signal = self.signals[piece.placed.signal]
        if self.courses[piece.placed.signal] is not None:
            return piece
        values = len(piece.placed.rows) * signal.n_samples
        if 8 * piece.chunks.n_bytes < DEAR * values:
            return piece
        other = self._exact(piece.placed)
        return other if other.chunks.n_bytes < piece.chunks.n_bytes else piece


def _in_order(pieces: Sequence[CodedGroup]) -> list[CodedGroup]:
    return sorted(pieces, key=lambda piece: piece.placed.signal)
