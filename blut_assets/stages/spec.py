"""Holds what a stage asset was declared with; planning, the wiring check and the engine read it."""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import dagster as dg
from pydantic import AfterValidator, Field

from blut_assets.artifacts import Artifact
from blut_assets.stages.limits import NO_LIMITS, Footprint, LimitsConfig
from blut_assets.stages.notices import Notice
from blut_assets.versions.fingerprint import CodeVersion, fingerprint
from blut_resources.payloads.distributions import Environment, environment
from blut_resources.payloads.isolated import VARIABLES
from blut_resources.runs.deadline import parse_deadline
from blut_resources.store.artifacts import ArtifactStore

T = TypeVar("T", bound=Artifact)
Steps = Generator[dg.AssetObservation, None, T]
"""The return annotation of a stage function that is a generator."""


class NotYet(FileNotFoundError):
    """Says that what a source looks at is not there yet, and that the first run makes it."""


def _understood(deadline: str | None) -> str | None:
    if deadline is not None:
        parse_deadline(deadline)
    return deadline


class StageConfig(dg.Config):
    """Holds what every stage asset accepts.

    ``reuse``: ``auto`` takes an earlier result with the same fingerprint, ``never`` computes again,
    ``require`` fails where there is none. Fields about how to compute, not what, are listed in ``HOW``.
    What an asset took counts for later runs with equal fields, but for those in ``COST_NEUTRAL``, which
    change neither time nor memory; those in ``DURATION`` change the time only.
    """

    HOW: ClassVar[frozenset[str]] = frozenset()
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset()
    DURATION: ClassVar[frozenset[str]] = frozenset()

    reuse: Literal["auto", "never", "require"] = "auto"
    limits: LimitsConfig = NO_LIMITS
    logger: Literal["auto", "none", "wandb"] = Field(
        default="auto", description="where metrics go besides; auto: what $BLUT_LOGGER says, else none"
    )
    on_divergence: Literal["stop", "report"] = Field(
        default="stop",
        description="what a loss that is no number, or above divergence_factor, does to a training",
    )
    divergence_factor: float | None = Field(
        default=None, gt=1, description="a loss above so many times the lowest one before has diverged"
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=100,
        description="after a failure that may pass by itself: no network, a lock, a full disk; it goes on"
        " from the checkpoint",
    )
    deadline: Annotated[str | None, AfterValidator(_understood)] = Field(
        default=None,
        description='of the whole run, such as "8h" or "07:30": it ends then, with a checkpoint',
    )
    launcher: str | None = Field(
        default=None,
        description="where payloads run: `local`, or a name in launchers.toml; else what $BLUT_LAUNCHER says",
    )
    push: bool | None = Field(
        default=None,
        description="whether results are copied to $BLUT_REMOTE; else what $BLUT_REMOTE_PUSH says",
    )

    def fingerprinted(self) -> dict[str, Any]:
        """Returns the values that can change the result."""
        return self.model_dump(mode="json", exclude={*COMMON, *self.HOW})

    def for_payload(self) -> dict[str, Any]:
        """Returns the values that a payload may read: those of the result, and ``HOW`` to compute it."""
        return self.model_dump(mode="json", exclude={*COMMON})

    def cost_drivers(self) -> dict[str, Any]:
        """Returns the values that can change what a computation takes."""
        return self.model_dump(mode="json", exclude={*COMMON, *self.COST_NEUTRAL})

    def planned_epochs(self) -> int | None:
        """Returns how many epochs a training is to have; None where nobody can tell."""
        return getattr(self, "epochs", None)

    def watch(self) -> dict[str, Any]:
        """Returns what the session of a payload watches for."""
        return {"on_divergence": self.on_divergence, "divergence_factor": self.divergence_factor}


NOTHING: Mapping[str, Any] = {}
COMMON = tuple(StageConfig.model_fields)
"""Settings that every asset has, and that change no result."""


LookUp = Callable[[ArtifactStore, Mapping[str, str], Any], Mapping[str, str]]
"""From the store, the digests of the inputs by parameter name, and the config, to digests by name."""


@dataclass(frozen=True)
class StageSpec:
    """Holds what a stage asset was declared with; planning and the wiring check read it.

    ``several`` are the parameters that take more than one partition of an asset, and ``mappings`` says which,
    by parameter, where that is not what Dagster takes on its own. ``resources`` are the annotations of
    parameters that are resources: no part of a fingerprint, for they differ where the result must not.
    ``notices`` are its checks that warn, and ``options`` what Dagster is told besides.
    """

    key: dg.AssetKey
    function: Callable[..., Any]
    inputs: Mapping[str, dg.AssetKey]
    input_types: Mapping[str, type[Artifact]]
    output: type[Artifact]
    config: type[StageConfig]
    code: CodeVersion
    memoised: bool
    source: bool
    headline: tuple[str, ...]
    footprint: Footprint
    show: Callable[[Path], Mapping[str, Any]] | None = None
    on_result: Callable[[Any, Any], None] | None = None
    distributions: tuple[str, ...] = ()
    looks_up: LookUp | None = None
    several: frozenset[str] = frozenset()
    resources: Mapping[str, Any] = field(default_factory=dict)
    partitions: dg.PartitionsDefinition | None = None
    mappings: Mapping[str, dg.PartitionMapping] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def looked_up(
        self, store: ArtifactStore, inputs: Mapping[str, str], config: StageConfig
    ) -> dict[str, str]:
        """Returns the digests, by name, of what it depends on that no asset makes;
        a part of its fingerprint.
        """
        return dict(self.looks_up(store, inputs, config)) if self.looks_up else {}

    def environment(self) -> Environment | None:
        """Returns what its payloads are computed by, where that is a part of the fingerprint."""
        return environment(self.distributions, VARIABLES) if self.distributions else None

    def fingerprint(
        self, inputs: Mapping[str, str], config: StageConfig, partition: str | None = None
    ) -> str:
        """Returns the fingerprint of this asset with these input digests, by parameter name."""
        values = config.fingerprinted()
        found = self.environment()
        digest = found.digest if found else None
        return fingerprint(self.key.to_user_string(), self.code.value, inputs, values, partition, digest)

    def describe(self, inputs: Mapping[str, str], config: StageConfig) -> dict[str, Any]:
        """Returns what the fingerprint was made of, so that a later difference can be named."""
        found = self.environment()
        computed_by = {"environment": found.parts()} if found else {}
        made_of = {"code": dict(self.code.parts), "inputs": dict(inputs)}
        return {**made_of, "config": config.fingerprinted(), **computed_by}


def specs_of(assets: Iterable[object]) -> dict[dg.AssetKey, StageSpec]:
    """Returns the declarations of stage assets, by key."""
    return {spec.key: spec for asset in assets if (spec := spec_of(asset))}


def in_order(specs: Mapping[dg.AssetKey, StageSpec]) -> list[StageSpec]:
    """Returns declarations in the order in which they would run: what is taken before who takes it."""
    order = TopologicalSorter({key: list(spec.inputs.values()) for key, spec in specs.items()})
    return [specs[key] for key in order.static_order() if key in specs]


def spec_of(asset: object) -> StageSpec | None:
    """Returns the declaration behind an asset, or None if it is not a stage asset."""
    if not (isinstance(asset, dg.AssetsDefinition) and asset.is_executable):
        return None
    function = getattr(getattr(asset.node_def, "compute_fn", None), "decorated_fn", None)
    spec: StageSpec | None = getattr(function, "__blut_stage__", None)
    if spec is None or spec.partitions == asset.partitions_def:
        return spec
    return replace(spec, partitions=asset.partitions_def)  # somebody else gave it partitions
