"""A graph of many assets whose results are all in the event log and in the store, made without running it.

Run as ``python -m bench.planning_graph N`` it fills the instance in $DAGSTER_HOME; with ``plan`` as well it
plans the graph there and prints the seconds that took as JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.history.planning import plan
from blut_assets.stages import Stage, StageConfig, reuse, stage_asset
from blut_assets.stages.spec import spec_of
from blut_resources.instance.instance import open_instance, store_of


class Small(Artifact):
    """A few bytes."""

    kind = "bench.small"
    number: int


class SmallConfig(StageConfig):
    """Something to fingerprint."""

    scale: float = 1.0


def graph(count: int) -> list[dg.AssetsDefinition]:
    """A chain with a second input ten stages up: ``count`` stage assets."""
    return [_asset(number) for number in range(count)]


def _asset(number: int) -> dg.AssetsDefinition:
    def make(stage: Stage, above: Small, beside: Small, config: SmallConfig) -> Small:
        return Small(number=0)

    def start(stage: Stage, config: SmallConfig) -> Small:
        return Small(number=0)

    function: Callable[..., Any] = make if number else start
    function.__name__ = f"a{number:04d}"
    ins = {"above": f"a{number - 1:04d}", "beside": f"a{max(0, number - 10):04d}"} if number else {}
    return stage_asset(cookbook="bench", group="wide", ins=ins)(function)


def fill(instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition]) -> None:
    """Put each result into the store and record it as a run would have."""
    store, digests = store_of(instance), {}
    for number, asset in enumerate(assets):
        spec = spec_of(asset)
        assert spec is not None
        out = store.staging()
        (out / "data").write_text(f"{number}\n")
        artifact = Small(number=number).stored_as(store.put(out))
        inputs, config = {name: digests[key] for name, key in spec.inputs.items()}, spec.config()
        digests[spec.key] = artifact.digest
        metadata = {
            reuse.ARTIFACT: dg.MetadataValue.json(artifact.model_dump(mode="json")),
            reuse.SPEC: dg.MetadataValue.json(spec.describe(inputs, config)),
            reuse.SECONDS: 0.1,
        }
        tags = {reuse.FINGERPRINT_TAG: spec.fingerprint(inputs, config)}
        instance.report_runless_asset_event(dg.AssetMaterialization(spec.key, metadata=metadata, tags=tags))


def main() -> None:
    """Entry point."""
    started = time.perf_counter()
    assets = graph(int(sys.argv[1]))
    built = time.perf_counter() - started
    with open_instance() as instance:
        if "plan" not in sys.argv:
            fill(instance, assets)
            return
        cpu, started = time.process_time(), time.perf_counter()
        planned = plan(instance, assets, {})
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    fresh = sum(p.state == "fresh" for p in planned)
    print(json.dumps({"wall": seconds, "cpu": cpu_seconds, "build": built, "fresh": fresh}))


if __name__ == "__main__":
    main()
