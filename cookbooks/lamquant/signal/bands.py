"""Holds the one table of EEG bands:
what is trained for, drawn, judged and graded has these edges (LQS 1.0).

Hertz, half-open: ``low <= f < high``. Between 12 and 13 Hz lies no band. ``sub_delta`` is reported and
never gated. Without numpy, so that the control plane can read it.
"""

from typing import Literal, get_args

BandName = Literal["delta", "theta", "alpha", "beta", "gamma"]

BANDS: dict[str, tuple[float, float]] = {
    "sub_delta": (0.0, 1.0),
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 12.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 100.0),
}
GATED: tuple[BandName, ...] = get_args(BandName)
