"""Decides which channels are coded with loss and which exactly, and how the file describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.container.header import ChannelFacts, Group
from cookbooks.lamquant.lqc.errors import FormatError
from cookbooks.lamquant.lqc.measure import MeasuredSignal
from cookbooks.lamquant.lqc.signals import SignalSource
from cookbooks.lamquant.lqc.targets import NoiseRatio, Prdn, Target

ROWS = "rows"
"""Names the fact that says which rows of which signal each group holds, where that is not plain."""
_LEAST_ERROR = 0.5
"""RMS errors below so many digital units are left to exact coding: rounding alone makes 0.29."""


def allowed_rms(target: Target, measured: MeasuredSignal) -> NDArray[np.float64] | None:
    """Returns the RMS error that a target allows each channel, [C], or None where it speaks of bytes."""
    match target:
        case Prdn(percent):
            return measured.std * percent / 100
        case NoiseRatio(ratio):
            return measured.fast_rms * ratio
        case _:
            return None


def exact_rows(target: Target, measured: MeasuredSignal) -> NDArray[np.bool_]:
    """Says which channels no transform serves: those whose allowed error is below the rounding's.

    A channel of one value is not coded at all and counts as lapped.
    """
    allowed = allowed_rms(target, measured)
    if allowed is None:
        allowed = measured.fast_rms
    return (allowed < _LEAST_ERROR) & ~measured.constant


def max_error_for(rms: float) -> int:
    """Returns the largest bound whose errors, if all are equally likely, have at most this RMS."""
    return max(0, int((np.sqrt(12 * rms * rms + 1) - 1) / 2))


def described(
    channels: Sequence[ChannelFacts], measured: MeasuredSignal, rows: NDArray[np.intp]
) -> tuple[ChannelFacts, ...]:
    """Returns the channels with their range and mean, as a file of the ``full`` profile has them."""
    return tuple(
        replace(
            channels[c],
            dc=round(float(measured.mean[c])),
            low=int(measured.low[c]),
            high=int(measured.high[c]),
        )
        for c in rows
    )


@dataclass(frozen=True)
class Placed:
    """Says which rows of which signal a group holds."""

    signal: int
    rows: NDArray[np.intp]


def facts_of(placed: Sequence[Placed], signals: Sequence[SignalSource]) -> Mapping[str, Any]:
    """Returns the fact that says where each channel belongs; nothing where each signal is one group."""
    plain = len(placed) == len(signals) and all(
        one.signal == number and len(one.rows) == len(signals[number].channels)
        for number, one in enumerate(placed)
    )
    return {} if plain else {ROWS: [[one.signal, one.rows.tolist()] for one in placed]}


def placed_in(groups: Sequence[Group], facts: Mapping[str, Any]) -> list[Placed]:
    """Returns where the channels of each group belong, by the facts of a header.

    Raises:
        FormatError: they say it of other groups, or do not say it in numbers, or the groups of a signal do
            not make one.
    """
    told = facts.get(ROWS)
    if told is None:
        return [Placed(number, np.arange(len(group.channels))) for number, group in enumerate(groups)]
    try:
        placed = [(int(signal), [int(row) for row in rows]) for signal, rows in told]
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"facts: {ROWS} is not a list of a signal and its rows for each group") from error
    if [len(rows) for _, rows in placed] != [len(group.channels) for group in groups]:
        raise FormatError(f"facts: {ROWS} does not fit the groups and channels of the header")
    if sorted(found := {signal for signal, _ in placed}) != list(range(len(found))):
        raise FormatError(f"facts: {ROWS} names signals that are not counted from 0")
    for number in found:
        rows = sorted(row for signal, mine in placed if signal == number for row in mine)
        rates = {group.rate_hz for group, (signal, _) in zip(groups, placed, strict=True) if signal == number}
        if rows != list(range(len(rows))) or len(rates) != 1:
            raise FormatError(f"signal {number}: its groups do not make one signal")
    return [Placed(signal, np.array(rows, np.intp)) for signal, rows in placed]
