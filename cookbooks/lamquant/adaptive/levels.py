"""Says which level each state is coded at, and reads states back from a file.

Levels differ, so the offset of a frame says its state. Neighbouring frames overlap: a frame is as fine as the
loudest state that it reaches into.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.controller.states import STATE_NAMES
from cookbooks.lamquant.lqc.container.header import Profile
from cookbooks.lamquant.lqc.course import STATES, Course
from cookbooks.lamquant.lqc.offsets import FrameOffsets

States = NDArray[np.uint8]


class StatesMissing(ValueError):
    """Says that a file does not tell which states it was coded by."""


@dataclass(frozen=True)
class StateLevels:
    """Holds the level of each state, QUIET to CRITICAL, all different and ascending.

    Raises:
        ValueError: another number of them, or not ascending.
    """

    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.levels) != len(STATE_NAMES) or sorted(set(self.levels)) != list(self.levels):
            raise ValueError(
                f"levels={list(self.levels)}: must be {len(STATE_NAMES)} ascending whole numbers, for"
                f" {', '.join(STATE_NAMES)}"
            )

    def base(self, states: States, profile: Profile) -> int:
        """Returns the level at which a recording is coded where nothing is finer or coarser.

        It is that of the state with most of the time, by which transform and jumps are chosen; an encoder
        that knows nothing of what comes takes that of QUIET.
        """
        if profile == "device" or not len(states):
            return self.levels[0]
        return self.levels[int(np.bincount(states, minlength=len(self.levels)).argmax())]

    def course(self, states: States, base: int, frame_ms: int) -> Course:
        """Returns how fine a recording is coded whose states [T] are these."""
        levels = np.array(self.levels, np.int64)
        finer = levels[states] - base if len(states) else np.array([self.levels[0] - base])
        return Course(finer, frame_ms / 1000)

    def facts(self, base: int) -> dict[str, Any]:
        """Returns what a file says of its states, in few bytes: the base, and the level of each."""
        return {STATES: [base, *self.levels]}

    def read(self, offsets: FrameOffsets | None, facts: Mapping[str, Any]) -> States:
        """Returns the state of each coded frame [F] of a file.

        Raises:
            StatesMissing: it does not say which, or a frame has a level that no state has.
        """
        told = facts.get(STATES)
        if offsets is None or not isinstance(told, list) or not told or not isinstance(told[0], int):
            raise StatesMissing("the file says of no state what it was coded at")
        base, *levels = told
        if levels != list(self.levels):
            raise StatesMissing(f"the levels in the file are {levels}, not {list(self.levels)}")
        found = np.full(len(offsets.finer), 255, np.uint8)
        for state, level in enumerate(self.levels):
            found[offsets.finer == level - base] = state
        if (found == 255).any():
            frame = int(np.flatnonzero(found == 255)[0])
            raise StatesMissing(f"frame {frame} is at level {base + int(offsets.finer[frame])}: no state is")
        return found
