"""Says what an encoder may be asked for: an error, a size, or exact samples within a bound."""

import math
from dataclasses import dataclass
from typing import ClassVar

from cookbooks.lamquant.lqc.errors import InputError

RAW_BITS = 16
"""Bits a sample counts as, where nobody says what the recorder's file holds it in."""


@dataclass(frozen=True)
class Prdn:
    """Asks that every channel's error is at most so many percent of its standard deviation."""

    percent: float
    name: ClassVar[str] = "prdn"

    def __post_init__(self) -> None:
        _positive(self.name, self.percent, "percent of a channel's standard deviation, above 0")


@dataclass(frozen=True)
class NoiseRatio:
    """Asks that every channel's RMS error is at most this share of its RMS without drift."""

    ratio: float
    name: ClassVar[str] = "noise_ratio"

    def __post_init__(self) -> None:
        _positive(self.name, self.ratio, "a share of a channel's RMS without drift, above 0")


@dataclass(frozen=True)
class MaxError:
    """Asks that no sample is off by more than so many digital units; 0 is lossless. Needs no model."""

    units: int = 0
    name: ClassVar[str] = "max_error"

    def __post_init__(self) -> None:
        if isinstance(self.units, bool) or not isinstance(self.units, int) or self.units < 0:
            raise InputError(
                f"target max_error={self.units!r}: must be a whole number of digital units, 0 for lossless"
            )


@dataclass(frozen=True)
class Cr:
    """Asks that the file is at most 1 / ``ratio`` of the recording at ``raw_bits`` a sample."""

    ratio: float
    raw_bits: int = RAW_BITS
    name: ClassVar[str] = "cr"

    def __post_init__(self) -> None:
        _positive(self.name, self.ratio, "how many times smaller the file is, above 0")


@dataclass(frozen=True)
class Bitrate:
    """Asks that the file takes at most so many bits a second, all channels together."""

    bits_per_second: float
    name: ClassVar[str] = "bitrate"

    def __post_init__(self) -> None:
        _positive(self.name, self.bits_per_second, "bits a second over all channels, above 0")


@dataclass(frozen=True)
class Level:
    """Asks for steps at a level: how strong each channel is without drift, by its step, in quarter octaves.

    Neither an error nor a size is promised. 16 is a step as large as the RMS; 20 has half of that.
    """

    level: float
    name: ClassVar[str] = "level"

    def __post_init__(self) -> None:
        _positive(self.name, self.level, "a level that the model was trained for, such as 16")


Target = Prdn | NoiseRatio | MaxError | Cr | Bitrate | Level
KINDS: dict[str, type[Prdn] | type[NoiseRatio] | type[MaxError] | type[Cr] | type[Bitrate] | type[Level]] = {
    kind.name: kind for kind in (Prdn, NoiseRatio, MaxError, Cr, Bitrate, Level)
}


def check_target(target: object) -> None:
    """Check that something is a target.

    Raises:
        InputError: it is something else, such as a number.
    """
    if not isinstance(target, Target):
        said = f"{target:g}" if isinstance(target, int | float) and not isinstance(target, bool) else "15.0"
        names = ", ".join(kind.__name__ for kind in KINDS.values())
        raise InputError(
            f"target={target!r}: must be one of {names} out of targets, such as Prdn({said}); text such as"
            " prdn=15 becomes one with parse_target"
        )


def parse_target(text: str) -> Target:
    """Returns the target that ``NAME=VALUE`` asks for, as ``prdn=15`` or ``max_error=0``.

    Raises:
        InputError: no such target, or a value that it cannot have.
    """
    name, separator, value = text.partition("=")
    kind = KINDS.get(name.strip().replace("-", "_"))
    if kind is None or not separator:
        raise InputError(f"target {text!r}: must be NAME=VALUE, NAME one of {', '.join(KINDS)}")
    try:
        return kind(int(value) if kind is MaxError else float(value))  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        asked = "a whole number" if kind is MaxError else "a number"
        raise InputError(f"target {text!r}: {value!r} is not {asked}") from error


def _positive(name: str, value: float, meaning: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"target {name}={value!r}: must be a number, {meaning}")
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"target {name}={value!r}: must be {meaning}")
