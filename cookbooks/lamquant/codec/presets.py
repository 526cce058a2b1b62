"""Says what a training run may be asked for: presets (how much work), tiers (which operating point)."""

from dataclasses import dataclass

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


LEVELS = (LEVEL_ZERO - 8, LEVEL_ZERO + 4)
"""Least and largest level that a checkpoint is trained and judged for, a quarter octave beyond all tiers."""
DEFAULT_TIER = 3


def judged_at(tier: int | str) -> tuple[Tier, ...]:
    """Returns the operating points at which epochs are judged: all of them for ``all``."""
    return tuple(TIERS.values()) if tier == "all" else (TIERS[int(tier)],)


def operating_point(tier: int | str) -> Tier:
    """Returns the operating point that a file has unless something else is asked for."""
    return TIERS[DEFAULT_TIER if tier == "all" else int(tier)]


CONTEXTS = 2048
"""Contexts of a training step for each unit of the batch size."""


@dataclass(frozen=True)
class Preset:
    """Describes one size of training run.

    An epoch draws ``shards`` times ``crops_per_shard`` crops of ``crop_s`` seconds and passes over each shard
    ``passes`` times; a step takes ``batch_size`` times 2,048 contexts. ``hidden`` is the width of the
    context network, ``val_seconds`` how much signal is coded for validation, over all channels.
    """

    name: str
    epochs: int
    batch_size: int
    lr: float
    hidden: int
    crop_s: float
    crops_per_shard: int
    shards: int
    passes: int
    calibration_crops: int
    val_seconds: float


PRESETS: dict[str, Preset] = {
    "smoke": Preset("smoke", 3, 1, 1e-2, 8, 16.0, 48, 1, 3, 12, 30.0),
    "fast": Preset("fast", 18, 4, 6e-3, 16, 48.0, 240, 1, 2, 48, 240.0),
    "medium": Preset("medium", 40, 8, 4e-3, 24, 48.0, 256, 4, 2, 128, 600.0),
    "production": Preset("production", 240, 16, 3e-3, 32, 64.0, 256, 16, 2, 512, 3600.0),
}


@dataclass(frozen=True)
class DecoderPreset:
    """Describes one size of training run of a refining decoder.

    An epoch codes crops of ``crop_s`` seconds, ``shards`` times ``channels_per_shard`` channels in all, in
    both profiles. ``width`` and ``depth`` are those of its network, ``val_seconds`` as for ``Preset``.
    """

    name: str
    epochs: int
    lr: float
    width: int
    depth: int
    crop_s: float
    channels_per_shard: int
    shards: int
    val_seconds: float


DECODER_PRESETS: dict[str, DecoderPreset] = {
    "smoke": DecoderPreset("smoke", 1, 4e-3, 8, 1, 12.0, 16, 1, 30.0),
    "fast": DecoderPreset("fast", 10, 4e-3, 16, 2, 24.0, 48, 2, 120.0),
    "medium": DecoderPreset("medium", 30, 3e-3, 32, 4, 32.0, 64, 8, 600.0),
    "production": DecoderPreset("production", 120, 2e-3, 64, 8, 48.0, 128, 32, 3600.0),
}
TEACHER_EPOCHS = 2
"""How many times the epochs of a codec a teacher is trained for."""


def hop_for(rate_hz: float, n_samples: int) -> int:
    """Returns the usual frame advance: the power of two nearest to a second, short signals a shorter one."""
    hop = 32
    while hop * 1.5 < rate_hz and hop * 8 <= n_samples and hop < 1024:
        hop *= 2
    return hop
