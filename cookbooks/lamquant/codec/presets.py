"""Says what a training run may be asked for: presets (how much work), tiers (which operating point)."""

from dataclasses import dataclass, replace
from typing import Any

LEVELS_PER_OCTAVE = 4
N_LEVELS = 40
LEVEL_ZERO = 16
"""Level index whose quantiser step equals the channel's RMS without drift."""


@dataclass(frozen=True)
class Tier:
    """Describes an operating point.

    ``noise_ratio`` is the largest RMS error that the encoder may leave in a channel, as a fraction of
    that channel's RMS about the line through each second; it bounds PRDN from above because slow drift only
    enlarges PRDN's denominator. ``level`` is the step size, in quarter octaves, that usually meets it.
    """

    number: int
    name: str
    noise_ratio: float
    level: int


TIERS: dict[int, Tier] = {
    1: Tier(1, "quiet", 0.40, LEVEL_ZERO - 6),
    2: Tier(2, "baseline", 0.30, LEVEL_ZERO - 4),
    3: Tier(3, "interesting", 0.17, LEVEL_ZERO),
    4: Tier(4, "critical", 0.10, LEVEL_ZERO + 3),
}


@dataclass(frozen=True)
class Preset:
    """Describes one size of training run.

    ``hop_s`` is the frame advance in seconds at the training rate, ``frames`` the length of a training crop,
    ``val_seconds`` how much signal is coded for validation, over all channels.
    """

    name: str
    epochs: int
    batch_size: int
    lr: float
    hop_s: float
    max_hop: int
    width: int
    hidden: int
    frames: int
    crops_per_epoch: int
    calibration_crops: int
    val_seconds: float


PRESETS: dict[str, Preset] = {
    "smoke": Preset("smoke", 3, 4, 6e-3, 0.25, 64, 4, 8, 16, 24, 6, 30.0),
    "fast": Preset("fast", 14, 4, 3e-3, 1.0, 512, 8, 24, 32, 104, 32, 240.0),
    "medium": Preset("medium", 40, 8, 2e-3, 1.0, 512, 16, 32, 32, 400, 96, 600.0),
    "production": Preset("production", 240, 16, 1e-3, 1.0, 512, 32, 48, 48, 4000, 256, 3600.0),
}

_BOUNDS: dict[str, tuple[type, float, float]] = {
    "epochs": (int, 1, 100_000),
    "batch_size": (int, 1, 4096),
    "lr": (float, 1e-7, 1.0),
    "seed": (int, 0, 2**31 - 1),
    "threads": (int, 1, 256),
    "tier": (int, 1, 4),
}


def checked(field: str, value: Any) -> Any:
    """Returns ``value`` if it is of the field's type and inside its bounds.

    Raises:
        ValueError: naming the field, the value and the allowed range.
    """
    kind, low, high = _BOUNDS[field]
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or (kind is int and value != int(value)) or not low <= value <= high:
        raise ValueError(f"{field}={value!r}: must be {kind.__name__} in [{low:g}, {high:g}]")
    return kind(value)


def resolve_preset(config: dict[str, Any]) -> Preset:
    """Returns the preset named by ``config``, with its ``epochs``, ``batch_size`` and ``lr`` put over it.

    Raises:
        ValueError: for an unknown preset or a value out of range.
    """
    name = config.get("preset", "fast")
    if name not in PRESETS:
        raise ValueError(f"preset={name!r}: must be one of {', '.join(PRESETS)}")
    fields = ("epochs", "batch_size", "lr")
    over = {field: checked(field, config[field]) for field in fields if config.get(field) is not None}
    return replace(PRESETS[name], **over)


def resolve_tier(config: dict[str, Any]) -> Tier:
    """Returns the operating point of ``config["tier"]`` (default 3).

    Raises:
        ValueError: outside 1-4.
    """
    return TIERS[checked("tier", config.get("tier", 3))]


def hop_for(preset: Preset, rate_hz: float, longest: int) -> int:
    """Returns the frame advance in samples:
    the power of two nearest to ``hop_s``, at most ``longest / 4``.
    """
    hop = 16
    while hop * 1.5 < preset.hop_s * rate_hz and hop * 2 <= preset.max_hop and hop * 8 <= longest:
        hop *= 2
    return hop
