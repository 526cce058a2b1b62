"""Defines typed configs of the trainings. Fields in ``HOW`` say how to compute, not what."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from blut_assets.recipes import like
from blut_assets.stages import StageConfig
from blut_assets.stages.ranks import RankedConfig
from blut_resources.payload_kit.device import Device
from blut_resources.payload_kit.ranks import share_of
from cookbooks.lamquant.codec.presets import CONTEXTS, DECODER_PRESETS, PRESETS, TEACHER_EPOCHS
from cookbooks.lamquant.controller.presets import CONTROLLER_PRESETS

PresetName = Literal["smoke", "fast", "medium", "production"]
TIER_NAMES = (1, 2, 3, 4, "all")


def _tier(value: Any) -> Any:
    if isinstance(value, bool) or value not in TIER_NAMES:
        raise ValueError("must be 1, 2, 3, 4 or all")
    return value


Tier = Annotated[Any, AfterValidator(_tier)]


class JointCheckpointConfig(RankedConfig):
    """Says how the codec is trained; what is not given comes from the preset."""

    STATES: ClassVar[str] = "epoch-*"
    HOW: ClassVar[frozenset[str]] = frozenset({"resume", "encoder"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"resume", "seed", "lr"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"epochs"})

    encoder: str = Field(
        "", description="NAME@ALIAS or digest of a codec that is there already; one is trained if empty"
    )
    preset: PresetName = "production"
    tier: Tier = Field(
        3,
        examples=[*TIER_NAMES],
        description="1 is the smallest bitstream, 4 the best quality; all is judged at each and codes at 3",
    )
    seed: int = Field(42, ge=0)
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    lr: float | None = Field(None, gt=0, le=1)
    resume: Literal["auto", "never"] = Field("auto", description="auto continues a killed training")
    device: Device = "auto"
    threads: int = Field(1, ge=1, le=256, description="CPU threads; equal numbers give equal bytes")

    @model_validator(mode="after")
    def _equal_shares(self) -> "JointCheckpointConfig":
        size = self.batch_size or PRESETS[self.preset].batch_size
        share_of("batch_size", size, self.together, CONTEXTS)
        return self

    def planned_epochs(self) -> int | None:
        return self.epochs or PRESETS[self.preset].epochs

    def for_payload(self) -> dict[str, Any]:
        return {name: value for name, value in super().for_payload().items() if name != "encoder"}


class MaeCheckpointConfig(StageConfig):
    """Says whether and how a trunk is trained without labels; what is not given is the preset's."""

    HOW: ClassVar[frozenset[str]] = frozenset({"resume"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"resume", "seed", "lr"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"epochs"})

    mae_pretrain: bool = Field(
        False,
        description="train the controller's trunk without labels at first; refused where a guess is better",
    )
    preset: PresetName = "production"
    seed: int = Field(42, ge=0)
    epochs: int | None = Field(None, ge=1)
    lr: float | None = Field(None, gt=0, le=1)
    context_s: float = Field(60.0, ge=5, le=600, description="seconds of a training crop")
    resume: Literal["auto", "never"] = Field("auto", description="auto continues a killed training")
    threads: int = Field(1, ge=1, le=256, description="CPU threads; equal numbers give equal bytes")

    def planned_epochs(self) -> int | None:
        return (self.epochs or CONTROLLER_PRESETS[self.preset].epochs) if self.mae_pretrain else None


class SnnCheckpointConfig(StageConfig):
    """Says how the controller is trained and its thresholds are chosen; what is not given is the preset's."""

    HOW: ClassVar[frozenset[str]] = frozenset({"resume"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"resume", "seed", "lr"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"epochs"})

    preset: PresetName = "production"
    model: Literal["ssm", "lif", "logistic"] = Field(
        "ssm", description="ssm, a spiking network, or twenty parameters, which are always trained beside"
    )
    seed: int = Field(42, ge=0)
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    lr: float | None = Field(None, gt=0, le=1)
    context_s: float = Field(60.0, ge=5, le=600, description="seconds of a training crop")
    lambda_spike: float = Field(0.01, ge=0, le=100, description="price of spikes, for lif")
    target_sensitivity: float = Field(
        0.8, ge=0.05, le=1, description="share of validation seizures that the threshold is chosen to find"
    )
    min_event_s: float = Field(2.0, ge=0, le=60, description="seconds that an alarm lasts at least")
    merge_s: float = Field(3.0, ge=0, le=10, description="seconds between two alarms that count as one")
    hold_s: float = Field(5.0, ge=0, le=60, description="seconds for which a state is held")
    preroll_s: float = Field(
        2.0, ge=0, le=60, description="seconds that are raised before a decision; a device has to buffer them"
    )
    failsafe_rms: float = Field(
        6.0,
        ge=2,
        le=1000,
        description="times its median that a channel may be loud; above, all is critical",
    )
    levels: list[int] = Field(
        default_factory=lambda: [10, 12, 16, 19],
        description="what the four states are coded at, by which the operating point for rates is chosen",
    )
    resume: Literal["auto", "never"] = Field("auto", description="auto continues a killed training")
    threads: int = Field(1, ge=1, le=256, description="CPU threads; equal numbers give equal bytes")

    def planned_epochs(self) -> int | None:
        return self.epochs or CONTROLLER_PRESETS[self.preset].epochs


class TeacherCheckpointConfig(StageConfig):
    """Says how an oracle is trained; what is not given comes from the preset."""

    HOW: ClassVar[frozenset[str]] = frozenset({"resume"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"resume", "seed"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"teacher_epochs"})

    preset: PresetName = "production"
    tier: Tier = like(JointCheckpointConfig, "tier")
    seed: int = Field(42, ge=0)
    teacher_hidden: int = Field(
        64, ge=16, le=64, description="width of its context network; integers of 32 bits hold 64 and no more"
    )
    teacher_width: int | None = Field(
        None,
        ge=8,
        le=256,
        description="width of its decoder's network; the preset's if not given",
    )
    teacher_epochs: int | None = Field(
        None, ge=1, description="twice those of the codec's preset if not given"
    )
    resume: Literal["auto", "never"] = like(JointCheckpointConfig, "resume")
    device: Device = "auto"
    threads: int = like(JointCheckpointConfig, "threads")

    def planned_epochs(self) -> int | None:
        own = self.teacher_epochs or TEACHER_EPOCHS * PRESETS[self.preset].epochs
        return own + DECODER_PRESETS[self.preset].epochs


class DecoderCheckpointConfig(StageConfig):
    """Says how a decoder is trained; what is not given comes from the preset."""

    HOW: ClassVar[frozenset[str]] = frozenset({"resume"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"resume", "seed"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"decoder_epochs"})

    preset: PresetName = "production"
    seed: int = Field(42, ge=0)
    decoder_width: int | None = Field(
        None, ge=8, le=256, description="width of its network; the preset's if not given"
    )
    decoder_depth: int | None = Field(
        None, ge=1, le=12, description="layers after the first; the preset's if not given"
    )
    decoder_epochs: int | None = Field(None, ge=1, description="instead of the preset's")
    teacher: bool = Field(True, description="train a teacher of the context network in the same pass")
    teacher_hidden: int = like(TeacherCheckpointConfig, "teacher_hidden")
    resume: Literal["auto", "never"] = like(JointCheckpointConfig, "resume")
    device: Device = "auto"
    threads: int = like(JointCheckpointConfig, "threads")

    def planned_epochs(self) -> int | None:
        return self.decoder_epochs or DECODER_PRESETS[self.preset].epochs
