"""One codec for each site in a few lines, and a report over all of them."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.building import assemble
from blut_assets.cli.run.partitions import run_each
from blut_assets.discovery import Discovered
from blut_assets.recipes import ArgsError, Cookbook
from blut_assets.testing import blut_instance, materialize, provide
from blut_resources.instance.instance import store_of
from blut_resources.registry.models import ModelRegistry
from cookbooks.lamquant import cookbook
from cookbooks.lamquant.artifacts.training import JointCkpt
from cookbooks.lamquant.artifacts.verdicts import PccpVerdict

__all__ = ["blut_instance"]
KEYS = ["1", "2", "3"]
ARGS = {
    "edf_root": "synthetic:subjects=3,seconds=30,seed={partition}",
    "val_fraction": 0.34,
    "test_fraction": 0.33,
    "preset": "smoke",
    "registered_as": "lamquant-joint-{partition}",
}


@pytest.fixture(scope="module")
def sites() -> Cookbook:
    partitions = dg.StaticPartitionsDefinition(KEYS)
    return cookbook("sites", partitions=partitions, recipes=["lamquant_joint_codec"])


def judged(candidate: str, prdn: float | None, passed: bool) -> PccpVerdict:
    known: dict[str, Any] = dict.fromkeys(("cr", "prd", "prdn", "r", "snr_db", "worst_cr", "worst_r"), 1.0)
    known |= {"candidate": candidate, "passed": passed, "n_failed_criteria": 0, "grade": "A"}
    return PccpVerdict(**known, worst_prdn=prdn, n_recordings=1)


def given(instance: dg.DagsterInstance, place: Path, key: str, prdn: float | None, of: str = "") -> None:
    for name in ("codec", "verdict"):
        (place / f"{name}{key}").write_text(f"{name} of {key} {of}")
    trained = JointCkpt(
        preset="smoke",
        tier=4,
        epochs=1,
        parameters=2,
        final_loss=1,
        val_prdn=1,
        val_r=1,
        val_bits_per_sample=1,
    )
    made = provide(instance, "sites/joint_checkpoint", trained, place / f"codec{key}", key)
    verdict = judged(of or made.digest, prdn, prdn is not None and prdn < 15)
    provide(instance, "sites/pccp_verdict", verdict, place / f"verdict{key}", key)


def test_the_report_has_every_site_the_worst_one_first(
    blut_instance: dg.DagsterInstance, sites: Cookbook, tmp_path: Path
) -> None:
    assets: list[Any] = list(sites.assets)

    def report(**options: Any) -> Any:
        return materialize(assets, blut_instance, selection=[assets[-1]], **options)

    given(blut_instance, tmp_path, "1", 14)
    given(blut_instance, tmp_path, "2", None)
    assert not report(raise_on_error=False).success, "the third site has none yet"
    given(blut_instance, tmp_path, "3", 17)
    made = report().output_for_node("sites__joint_report")
    assert (made.n_partitions, made.n_passed, made.worst_partition, made.worst_prdn) == (3, 1, "2", None)
    rows = json.loads(store_of(blut_instance).read(made.digest, "report.json"))["partitions"]
    assert [row["partition"] for row in rows] == ["2", "3", "1"]
    given(blut_instance, tmp_path, "3", 17, of="another")
    refused = report(raise_on_error=False)
    assert "the verdict of 3 is on another codec" in str([e for e in refused.all_events if e.is_step_failure])


def test_a_name_for_each_site_is_checked_before_anything_runs(sites: Cookbook) -> None:
    (recipe,) = [one for one in sites.recipes if one.name == "sites_joint_codec"]
    assert recipe.parse(ARGS, KEYS)
    with pytest.raises(ArgsError, match="registered_as 'lamquant-joint-Site A': 1 to 64 of a-z"):
        recipe.parse(ARGS, ["Site A"])
    named = {**ARGS, "promote_as": "lamquant-joint-{partition}@synthetic-lab"}
    assert recipe.parse(named, KEYS)
    with pytest.raises(ArgsError, match="give lamquant-joint-2@ALIAS, which registered_as says"):
        recipe.parse({**named, "registered_as": "lamquant-joint-2"}, ["1"])


@pytest.mark.heavy
def test_three_sites_have_a_codec_each_and_a_report(
    blut_instance: dg.DagsterInstance, sites: Cookbook
) -> None:
    defs = assemble(Discovered([sites]))
    job = defs.resolve_job_def("sites_joint_codec")

    def run(key: str | None) -> int:
        args = {**ARGS, "epochs": 1, "partition": key}
        result = job.execute_in_process(args, blut_instance, partition_key=key, raise_on_error=False)
        return int(not result.asset_materializations_for_node("sites__pccp_verdict"))

    assert run_each([*KEYS], run) == 0
    assert defs.resolve_job_def("sites_joint_report").execute_in_process(instance=blut_instance).success
    registry = ModelRegistry(store_of(blut_instance).root / "registry")
    assert registry.names() == [f"lamquant-joint-{key}" for key in KEYS]
