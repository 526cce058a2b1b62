"""Materializes the flooding payload as an asset, as every payload is run: ``flood_asset CONFIG_JSON``."""

import json
import sys
import time
from pathlib import Path

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, Steps, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance

WARM = {"steps": 100, "epochs": 20}
"""What loads every module before the memory is looked at."""
GIVEN: list[dict[str, int]] = []


class Flood(Artifact):
    """Seconds from the first event to the last."""

    kind = "bench.flood"
    seconds: float


@stage_asset(cookbook="bench", group="training", source=True)
def flood(stage: Stage) -> Steps[Flood]:
    """Run the payload; a source, so that nothing is reused."""
    facts = yield from stage.run(
        "bench.flood_payload", config=GIVEN[0], inputs={}, work=stage.store.staging()
    )
    (stage.out / "flood.json").write_text(json.dumps(facts))
    return Flood(**facts)


def _memory(field: str) -> float:
    """MB of this process: ``VmRSS`` now, ``VmHWM`` at most since it was last reset."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


def _run(config: dict[str, int]) -> tuple[float, float, bool]:
    GIVEN[:] = [config]
    started, cpu = time.perf_counter(), time.process_time()
    with open_instance() as instance:
        resources = {"blut_handles": HANDLES}
        result = dg.materialize([flood], instance=instance, resources=resources, raise_on_error=False)
    return time.perf_counter() - started, time.process_time() - cpu, result.success


if __name__ == "__main__":
    _run(WARM)
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    wall, cpu, ok = _run(json.loads(sys.argv[1]))
    grown = _memory("VmHWM") - before
    print(json.dumps({"wall": wall, "cpu": cpu, "ok": ok, "grown_mb": grown}))
