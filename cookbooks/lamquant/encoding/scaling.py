"""Finds what the samples of a container are in microvolts, by the ranges that its metadata states."""

import math
from collections.abc import Mapping
from typing import Any

from cookbooks.lamquant.formats.edf.units import microvolts_per

RANGES = ("phys_min", "phys_max", "dig_min", "dig_max")


class BadScale(ValueError):
    """Says which field does not give a range in microvolts, and why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


def scaling_of(metadata: Mapping[str, Any], n_channels: int) -> tuple[list[float], list[float]]:
    """Returns microvolts per digital unit, and microvolts at zero, of each channel.

    By EDF: ``phys_min + (x - dig_min) (phys_max - phys_min) / (dig_max - dig_min)``, in ``phys_dim``.

    Raises:
        BadScale: a range is missing, empty, or in another unit than volts.
    """
    columns = [_numbers(metadata, field, n_channels) for field in RANGES]
    units = metadata.get("phys_dim")
    units = [units] * n_channels if isinstance(units, str) else units
    if not isinstance(units, list) or len(units) != n_channels:
        raise BadScale("phys_dim", f"does not state the units of {n_channels} channels")
    scales: list[float] = []
    offsets: list[float] = []
    for index, (low, high, dig_low, dig_high) in enumerate(zip(*columns, strict=True)):
        factor = microvolts_per(units[index]) if isinstance(units[index], str) else None
        if factor is None:
            raise BadScale("phys_dim", f"the unit of channel {index} is no unit of voltage")
        if dig_low == dig_high or low == high:
            raise BadScale("phys_min", f"the range of channel {index} is empty")
        scale = (high - low) / (dig_high - dig_low)
        scales.append(scale * factor)
        offsets.append((low - dig_low * scale) * factor)
    return scales, offsets


def _numbers(metadata: Mapping[str, Any], field: str, count: int) -> list[float]:
    values = metadata.get(field)
    if not isinstance(values, list) or len(values) != count:
        raise BadScale(field, f"its metadata does not state it for {count} channels")
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in values):
        raise BadScale(field, "its metadata holds something else than numbers")
    return [float(one) for one in values]
