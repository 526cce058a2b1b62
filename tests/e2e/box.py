"""One user's box: recordings, an args file and an instance in which the main job has run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from blut_assets.definitions import discovered
from blut_assets.stages import reuse
from tests.conftest import REPOSITORY
from tests.databases import shipped
from tests.forked import RUN, server

RECIPE = "lamquant_joint_codec"
BLUT = [sys.executable, "-c", "from blut_assets.cli import main; main()"]
DAGSTER = [sys.executable, "-m", "dagster"]
KEPT = ["lma_corpus", "split_manifest", "training_windows", "joint_checkpoint", "pccp_verdict"]
LOOSE = {"min_r": 0.5, "max_prdn": 95, "min_cr": 1}


class Box:
    """An instance, recordings and an args file, as one user has them."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.edf = root, root / "home", root / "edf"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text(shipped())
        self.args: dict[str, Any] = {
            "edf_root": str(self.edf),
            "preset": "smoke",
            "threads": 1,
            "train_subjects": ["SYNTHETIC-s001"],
            "val_subjects": ["SYNTHETIC-s002"],
            "test_subjects": ["SYNTHETIC-s003"],
            "registry": str(self.write_registry("loose", LOOSE)),
            "promote_as": "lamquant-joint@synthetic-test",
            "allow_worse": "tests promote one codec after another",
        }

    def write_registry(self, name: str, floors: dict[str, float]) -> Path:
        shipped = REPOSITORY / "cookbooks" / "lamquant" / "configs" / "pccp_registry.yaml"
        document = yaml.safe_load(shipped.read_text())
        document["each_recording"] = floors
        document["bands"] = {"delta": {"max_prd": 95, "min_r": 0.1}}
        document["minima"]["samples"] = 1000
        path = self.root / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def environment(self, trap: Path | None = None) -> dict[str, str]:
        """The environment of a command; ``trap`` is a directory with a ``sitecustomize.py``."""
        paths = [str(path) for path in (trap, os.environ.get("PYTHONPATH")) if path]
        common = {"DAGSTER_HOME": str(self.home), "OMP_NUM_THREADS": "1"}
        return {**os.environ, **common, "PYTHONPATH": os.pathsep.join(paths)}

    def blut(
        self, *options: str, env: dict[str, str] | None = None, **changes: Any
    ) -> subprocess.CompletedProcess[str]:
        args = json.dumps({**self.args, **changes})
        command = [*BLUT, "recipe", "run", RECIPE, "--args", args, *options]
        return server(*RUN).run(command[1:], env or self.environment(), self.root)

    def ops(self, **changes: Any) -> dict[str, Any]:
        """The config of each asset that the args stand for."""
        recipe = next(r for c in discovered.cookbooks for r in c.recipes if r.name == RECIPE)
        return dict(recipe.run_config(recipe.parse({**self.args, **changes})))

    def materialize(self, select: str, ops: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """With Dagster's own command."""
        (self.root / "ops.yaml").write_text(yaml.safe_dump(ops))
        command = [*DAGSTER, "asset", "materialize", "-m", "blut_assets.definitions", "--select", select]
        command += ["--config", str(self.root / "ops.yaml")]
        return subprocess.run(command, env=self.environment(), cwd=self.root, capture_output=True, text=True)

    def results(self, done: subprocess.CompletedProcess[str]) -> dict[str, str]:
        """Asset -> computed, reused, observed or executed, as the command printed it."""
        return dict(re.findall(r"^lamquant/(\w+) +(\w+)", done.stdout, re.MULTILINE))

    def versions(self) -> dict[str, str]:
        """The newest data version of every asset."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            return {name: reuse.digest_of(event) for name in KEPT if (event := newest(instance, name))}

    def epochs(self) -> list[int]:
        """The epochs that the newest run reported."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            newest = instance.get_runs(limit=1)[0].run_id
            key = dg.AssetKey(["lamquant", "joint_checkpoint"])
            records = instance.fetch_observations(key, limit=100).records
            seen = [r.asset_observation for r in records if r.run_id == newest]
            return sorted(int(o.metadata["epoch"].value) for o in seen if o)  # type: ignore[arg-type]

    def logs(self) -> set[Path]:
        """The databases of the runs."""
        return {path for path in (self.home / "history" / "runs").glob("*.db") if path.stem != "index"}

    def metadata(self, name: str) -> dict[str, Any]:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            event = newest(instance, name)
            assert event
            return {key: entry.value for key, entry in event.metadata.items()}

    def shown(self, name: str) -> dict[str, Any]:
        """The metadata of the newest materialization that shows all of it."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            for record in reuse.materializations(instance, dg.AssetKey(["lamquant", name])):
                if (event := record.asset_materialization) and reuse.SHOWN_BY not in event.metadata:
                    return {key: entry.value for key, entry in event.metadata.items()}
        raise AssertionError(f"no materialization of {name} shows all of it")


def newest(instance: dg.DagsterInstance, name: str) -> dg.AssetMaterialization | None:
    record = instance.get_latest_materialization_event(dg.AssetKey(["lamquant", name]))
    return record.asset_materialization if record else None
