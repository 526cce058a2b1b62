"""Reads a floor registry of the second version: fidelity, budgets, decisions and comparisons, each if wanted.

A key ``min_X`` asks for a figure X of at least so much, ``max_X`` for one of at most so much. Pure judging
logic without numpy, so that the control plane can derive the floors in force when it promotes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, Self, cast

from pydantic import BaseModel, Field, ValidationError, model_validator

from blut_resources.files.documents import DocumentError, read_yaml
from blut_resources.registry.verdicts import EACH, Change, Floor
from cookbooks.lamquant.gate.floors import (
    CORPUS,
    MAX_REGISTRY_BYTES,
    OWN,
    BandFloors,
    ChannelFloors,
    Correlation,
    Count,
    FloorRegistryFile,
    GateName,
    Minima,
    Number,
    Percent,
    RecordingFloors,
    RegistryInvalid,
    StretchFloors,
    Strict,
    explain_invalid,
    floor_of,
    recording_floors,
)
from cookbooks.lamquant.gate.grade import Level, lqs_level
from cookbooks.lamquant.gate.kinds import GATES, Block
from cookbooks.lamquant.signal.bands import BandName

ORACLE = "oracle"
FIDELITY = ("each_recording", "each_channel", "each_stretch", "bands")
AtLeastZero = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Margin = Annotated[Number, Field(ge=-1, le=1)]


class _SomeFloors(Strict):
    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a block without a floor: give one, or leave the block out")
        return self


class Budgets(_SomeFloors):
    """Holds what a device has: bytes of flash, RAM and stack, and the CR in percent that it may lose."""

    max_flash_bytes: Count | None = None
    max_ram_bytes: Count | None = None
    max_stack_bytes: Count | None = None
    max_cr_loss_pct: Percent | None = None


class Decisions(_SomeFloors):
    """Holds floors of decisions over all sealed recordings.

    Shares of events found and of time, false alarms per hour, the area under the curve, and by how much that
    is above those of signal energy and of a logistic regression.
    """

    min_event_sensitivity: Share | None = None
    max_fa_per_h: AtLeastZero | None = None
    max_critical_share: Share | None = None
    min_auc: Share | None = None
    min_margin_over_energy_auc: Margin | None = None
    min_margin_over_logistic_auc: Margin | None = None


class Comparisons(_SomeFloors):
    """Holds floors of a candidate beside another one: of rate, detection, fidelity and gain."""

    min_rate_advantage: AtLeastZero | None = None
    max_detection_loss: Share | None = None
    max_fa_rise_pct: AtLeastZero | None = None
    max_critical_prdn: Percent | None = None
    min_critical_r: Correlation | None = None
    max_elsewhere_prdn: Percent | None = None
    min_elsewhere_r: Correlation | None = None
    min_gain_pct: Number | None = None
    max_regression_pct: AtLeastZero | None = None
    min_headroom_measured: Share | None = None


class MinimaOfEvents(Minima):
    """Says how much must have been measured, of events and hours too."""

    critical_events: Count | None = None
    patients_with_critical: Count | None = None
    hours: Annotated[Number, Field(gt=0)] | None = None


class Registry(Strict):
    """Validates a registry of the second version: unknown keys are refused, and so is an endless floor."""

    format: Literal["blut.floor_registry.v2"] = Field(alias="schema")
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    model: Annotated[str, Field(min_length=1)]
    gate: GateName | None = None
    change_classes: Annotated[list[str], Field(min_length=1)]
    split: Literal["test"]
    each_recording: RecordingFloors | None = None
    each_channel: ChannelFloors | None = None
    each_stretch: StretchFloors | None = None
    bands: Annotated[dict[BandName, BandFloors], Field(min_length=1)] | None = None
    min_lqs: Level = "below"
    budgets: Budgets | None = None
    decisions: Decisions | None = None
    comparisons: Comparisons | None = None
    minima: MinimaOfEvents

    @model_validator(mode="after")
    def _blocks_are_those_of_the_model(self) -> Self:
        if len(set(self.change_classes)) != len(self.change_classes):
            raise ValueError("change_classes: a class is listed twice")
        if self.judged_by not in GATES:
            known = ", ".join(f"{OWN}{name}" for name in GATES)
            raise ValueError(
                f"model {self.model!r} is none of {known}: say by `gate` which of them judges it"
            )
        own = self.model.removeprefix(OWN)
        if self.gate and self.model.startswith(OWN) and own in (*GATES, "joint") and own != self.gate:
            raise ValueError(f"model {self.model!r} is judged by another gate than {self.gate!r}")
        if self.judged_by == ORACLE and not self.model.endswith(f"-{ORACLE}"):
            raise ValueError(
                f"model {self.model!r}: an oracle runs on no device: give it a name that ends in -{ORACLE}"
            )
        if (self.each_recording is None) != (self.bands is None):
            raise ValueError("each_recording and bands: one is given without the other; fidelity needs both")
        parts = [name for name in (*FIDELITY, "min_lqs") if name in self.model_fields_set]
        if parts and self.each_recording is None:
            raise ValueError(f"{', '.join(parts)}: given without each_recording and bands")
        there, gate, whose = self.blocks(), GATES[self.judged_by], f"the gate of {self.model}"
        if missing := [name for name in gate.blocks if name not in there]:
            raise ValueError(f"{whose} needs floors of {', '.join(missing)}: they are missing")
        if not there or (gate.one_of and not {*gate.one_of} & {*there}):
            raise ValueError(f"{whose} needs floors of {' or '.join(gate.one_of)}: there are none")
        return self

    @property
    def judged_by(self) -> GateName:
        """Returns the gate: the one that is written, or that of the model's name."""
        return self.gate or cast(GateName, self.model.removeprefix(OWN))

    def integrity(self) -> list[str]:
        """Returns the figures of integrity, which must be 0."""
        return [*GATES[self.judged_by].integrity]

    def blocks(self) -> list[Block]:
        """Returns the blocks of floors that are there."""
        found: dict[Block, object] = {
            "fidelity": self.each_recording,
            "budgets": self.budgets,
            "decisions": self.decisions,
            "comparisons": self.comparisons,
        }
        return [name for name, block in found.items() if block is not None]

    def fidelity(self) -> FloorRegistryFile | None:
        """Returns the floors of fidelity as a registry of the first version; None where there are none."""
        if self.each_recording is None:
            return None
        given = {name: getattr(self, name) for name in FIDELITY if name in self.model_fields_set}
        return FloorRegistryFile(
            schema="blut.floor_registry.v1",
            version=self.version,
            model=self.model,
            change_classes=self.change_classes,
            split=self.split,
            minima=Minima(**{name: getattr(self.minima, name) for name in Minima.model_fields}),
            min_lqs=self.min_lqs,
            **given,
        )

    def authorise(self, change: Change) -> None:
        """Refuse a change whose class the registry does not list."""
        if change.change_class not in self.change_classes:
            raise RegistryInvalid(
                f"change_class is {change.change_class!r}: {self.model} {self.version} allows "
                f"{', '.join(self.change_classes)}"
            )

    def required(self, stems: Iterable[str]) -> list[Floor]:
        """Returns everything a verdict over these test recordings must have judged, in a fixed order."""
        floors = [
            floor_of("minimum", name, CORPUS, ">=", count)
            for name, count in self.minima.model_dump(exclude_none=True).items()
        ]
        of_recordings: list[Floor] = []
        if fidelity := self.fidelity():
            floors.append(floor_of("grade", "lqs_level", CORPUS, ">=", lqs_level(self.min_lqs)))
            for stem in sorted(stems):
                of_recordings += recording_floors(fidelity, stem)
        floors += [floor_of("integrity", name, CORPUS, "==", 0) for name in self.integrity()]
        floors += of_recordings
        floors += _limits("budget", self.budgets)
        floors += _limits("decision", self.decisions)
        floors += _limits("comparison", self.comparisons)
        for block, key, limit in GATES[self.judged_by].unwritten:
            if getattr(getattr(self, block), key, None) is None:
                floors += _limits(block.removesuffix("s"), {key: limit})
        return floors


def _limits(kind: str, block: BaseModel | Mapping[str, float] | None) -> Iterator[Floor]:
    """Yields a floor for each key of a block: what begins with min is reached from above."""
    keys = block.model_dump(exclude_none=True) if isinstance(block, BaseModel) else block or {}
    for key, limit in keys.items():
        side, _, figure = key.partition("_")
        yield floor_of(kind, figure, CORPUS, ">=" if side == "min" else "<=", limit)


def parse_second(data: bytes, name: str) -> Registry:
    """Returns the registry from the bytes of a YAML file; ``name`` is the file's, for errors.

    Raises:
        RegistryInvalid: if it repeats a key, or does not validate.
    """
    try:
        return Registry.model_validate(read_yaml(data, name, MAX_REGISTRY_BYTES))
    except ValidationError as error:
        raise explain_invalid(name, error) from error
    except DocumentError as error:
        raise RegistryInvalid(str(error)) from error


def pinned_second(data: bytes, name: str, model: str) -> list[Floor]:
    """Returns what a registry file asks of any verdict on this model,
    whatever recordings it was measured on.

    Args:
        data: the bytes of the YAML file.
        name: of the file, for errors.
        model: that the floors are to be pinned for.

    Raises:
        RegistryInvalid: it is not a registry, or one of another model.
    """
    registry = parse_second(data, name)
    if registry.model != model:
        raise RegistryInvalid(f"{name}: its floors are for model {registry.model!r}, not {model!r}")
    return registry.required([EACH])
