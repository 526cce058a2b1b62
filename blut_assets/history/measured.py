"""Lists what computations took, by the kind of args that drive it, and what would be leased for each now."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from blut_assets.stages.footprints import GPUS, Kind, Took, all_took, drivers_of
from blut_assets.stages.forgotten import forgotten
from blut_assets.stages.leasing import expected
from blut_assets.stages.spec import StageConfig, StageSpec
from blut_assets.versions.fingerprint import digest_json

SHORT = 8
"""Characters by which a kind is named."""


@dataclass(frozen=True)
class Computed:
    """Describes one computation.

    Attributes:
        kind: names the args that drive the cost, and the number of GPUs.
        args: those args; None where it does not say all of them.
        peak: bytes of memory at most, None if nobody measured them.
        counts: whether it says what a later one is expected to take.
        leases: what would be leased now for such a one; empty where its cookbook is not loaded.
    """

    asset: str
    kind: str
    args: Mapping[str, Any] | None
    gpus: int | None
    run: str
    at: float
    seconds: float | None
    peak: int | None
    counts: bool
    leases: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return asdict(self)


def measured(
    instance: dg.DagsterInstance, specs: Mapping[dg.AssetKey, StageSpec], asset: dg.AssetKey | None = None
) -> Iterator[Computed]:
    """Yields the computations of one asset, or of all, the newest first."""
    keys = [asset] if asset else sorted(instance.all_asset_keys(), key=str)
    not_counted = forgotten(instance)
    for key in keys:
        name, spec = key.to_user_string(), specs.get(key)
        leases: dict[str, str] = {}
        for took in all_took(instance, key):
            config = spec.config if spec else StageConfig
            args, gpus = drivers_of(took.spec, config), took.spec.get(GPUS)
            driving = args and {one: value for one, value in args.items() if one not in config.DURATION}
            kind = digest_json([driving, gpus])[:SHORT]
            if spec and kind not in leases:
                leases[kind] = _leased(instance, spec, took, args)
            counts = took.run_id not in not_counted.get(name, ())
            yield Computed(
                *(name, kind, args, gpus, took.run_id, took.at, took.seconds, took.peak, counts),
                leases=leases.get(kind, ""),
            )


def _leased(instance: dg.DagsterInstance, spec: StageSpec, took: Took, args: Mapping[str, Any] | None) -> str:
    """Returns what a computation with the same args and inputs would lease now."""
    known = spec.config.model_fields.keys() & (args or {}).keys()
    config = spec.config.model_construct(**{name: (args or {})[name] for name in known})
    kind = Kind(config, dict(took.spec.get("inputs", {})), took.spec.get(GPUS))
    found = expected(instance, spec, config, kind)
    return found.trouble or found.text
