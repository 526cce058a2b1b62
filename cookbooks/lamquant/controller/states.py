"""Turns scores into the four states, in integers: thresholds, hold, pre-roll and fail-safe.

The loudest class that a frame was given within the hold before it or the pre-roll after it is its state. A
frame's state is known when the pre-roll after it has been seen. Frames without a class are QUIET where they
are less loud than the running 59th percentile, and BASELINE else.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.controller.scores import FrameScores

QUIET, BASELINE, INTERESTING, CRITICAL = range(4)
STATE_NAMES = ("QUIET", "BASELINE", "INTERESTING", "CRITICAL")
NEVER = 1 << 30
"""A threshold that no score reaches."""
_PERCENT = 59
_STEP = 1 << 9


@dataclass(frozen=True)
class Point:
    """Holds an operating point; thresholds are log odds in 1/256.

    Attributes:
        critical: from which score on a frame is CRITICAL.
        maybe: from which critical score on it is at least INTERESTING.
        interesting: from which interesting score on it is INTERESTING.
        hold_s: seconds for which a class lasts after its last frame.
        preroll_s: seconds that are raised before it; the decision is so much late.
        failsafe_rms: how many times its own median a channel's RMS may be, in three channels, before a frame
            is CRITICAL whatever the score.
        min_event_s: an alarm must last so long.
        merge_s: alarms closer than this are one.
    """

    critical: int
    maybe: int = NEVER
    interesting: int = NEVER
    hold_s: float = 5.0
    preroll_s: float = 2.0
    failsafe_rms: float = 6.0
    min_event_s: float = 2.0
    merge_s: float = 3.0


class StateStream:
    """Turns the scores of one recording into states as they come."""

    def __init__(self, point: Point, frame_ms: int) -> None:
        self._point = point
        self._hold, self._preroll = (
            round(seconds * 1000 / frame_ms) for seconds in (point.hold_s, point.preroll_s)
        )
        self._excess = round(2 * 256 * math.log2(point.failsafe_rms))
        self._percentile, self._frame = 0, 0
        self._until = {INTERESTING: -1, CRITICAL: -1}
        self._waiting: deque[int] = deque()

    def push(self, scores: FrameScores) -> NDArray[np.uint8]:
        """Returns the states that are known now: those of frames whose pre-roll has been seen."""
        out: list[int] = []
        rows = zip(scores.log_odds.tolist(), scores.loud.tolist(), scores.excess.tolist(), strict=True)
        for (critical, interesting), loud, excess in rows:
            state = self._state(self._class(critical, interesting, excess), loud)
            self._waiting.append(state)
            if len(self._waiting) > self._preroll:
                out.append(self._waiting.popleft())
        return np.array(out, np.uint8)

    def finish(self) -> NDArray[np.uint8]:
        """Returns the states of the last frames, after which nothing comes."""
        out = np.array(self._waiting, np.uint8)
        self._waiting.clear()
        return out

    def _class(self, critical: int, interesting: int, excess: int) -> int:
        point = self._point
        if critical >= point.critical or excess > self._excess:
            return CRITICAL
        return INTERESTING if critical >= point.maybe or interesting >= point.interesting else QUIET

    def _state(self, found: int, loud: int) -> int:
        """Returns the state of the newest frame, and raises those that wait for it."""
        calm = self._calm(loud)
        for state in (INTERESTING, CRITICAL):
            if found == state:
                self._until[state] = self._frame + self._hold
                self._waiting = deque(max(state, one) for one in self._waiting)
            if self._until[state] >= self._frame:
                calm = state
        self._frame += 1
        return calm

    def _calm(self, loud: int) -> int:
        level = loud << 8
        if self._frame == 0:
            self._percentile = level
        calm = QUIET if level < self._percentile else BASELINE
        pace = max(65536 // (self._frame + 1), _STEP)
        up, down = pace * _PERCENT // 100, pace * (100 - _PERCENT) // 100
        self._percentile += up if level > self._percentile else -down
        return calm
