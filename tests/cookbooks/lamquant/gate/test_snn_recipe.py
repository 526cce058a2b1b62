"""The recipe from recordings to a name: what it refuses before it begins, and one run of all of it."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from edfio import read_edf

from blut_assets.history.planning import plan
from blut_assets.recipes import ArgsError
from blut_assets.testing import blut_instance, materialize
from blut_resources.instance.instance import store_of
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import parse_verdict
from cookbooks.lamquant.recipes.snn import SNN
from cookbooks.lamquant.samples.synthetic import Hard, write_synthetic
from tests.cookbooks.lamquant.gate.decision_case import REGISTRY
from tests.cookbooks.lamquant.labels.seizures import CHANNELS

__all__ = ["blut_instance"]

SYNTHETIC = "synthetic:subjects=7,seconds=60,seed=3,recordings=1,seizures=3,confusers=1"
LENIENT = (
    REGISTRY.replace("min_event_sensitivity: 0.6", "min_event_sensitivity: 0")
    .replace("max_fa_per_h: 60", "max_fa_per_h: 10000")
    .replace("max_critical_share: 0.25", "max_critical_share: 1")
    .replace("min_auc: 0.7", "min_auc: 0")
    .replace("min_margin_over_energy_auc: 0.01", "min_margin_over_energy_auc: -1")
    .replace("min_margin_over_logistic_auc: -0.02", "min_margin_over_logistic_auc: -1")
    .replace("hours: 0.05", "hours: 0.01")
    .replace("critical_events: 3", "critical_events: 1")
    .replace("patients_with_critical: 2", "patients_with_critical: 1")
)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"promote_as": "lamquant-snn@staging"}, "synthetic data"),
        ({"promote_as": "lamquant-joint@synthetic-a"}, "give lamquant-snn@ALIAS"),
        ({"device": "cuda"}, "the controller is trained on the CPU"),
        ({"model": "gru"}, "allowed: 'ssm' or 'lif' or 'logistic'"),
        ({"mae_pretrain": True, "model": "lif"}, "model=.lif. has no trunk"),
        ({"vocabulary": "/nowhere/mine.yaml"}, "mine.yaml"),
        ({"change_class": "Z.1"}, "change_class is 'Z.1'"),
        ({"unannotated": "calm"}, "'exclude' or 'quiet'"),
        ({"frame_s": 5}, "frame_s"),
        ({"merge_s": 600}, "merge_s"),
    ],
)
def test_what_the_end_would_refuse_is_refused_at_the_begin(args: dict[str, Any], said: str) -> None:
    change = {"change_id": "CHG-1", "author": "a", "description": "b"}
    with pytest.raises(ArgsError, match=said):
        SNN.parse({"edf_root": SYNTHETIC, **change, **args})


@pytest.mark.heavy
def test_recordings_become_a_judged_controller_with_a_synthetic_name(
    tmp_path: Path, blut_instance: dg.DagsterInstance
) -> None:
    (tmp_path / "floors.yaml").write_text(LENIENT)
    edf = write_synthetic(tmp_path / "edf", 7, 60, 3, rate_hz=128, channels=CHANNELS, hard=Hard(3, True))
    args = {
        "edf_root": str(tmp_path / "edf"),
        "preset": "smoke",
        "model": "logistic",
        "val_fraction": 0.3,
        "test_fraction": 0.3,
        "registry": str(tmp_path / "floors.yaml"),
        "promote_as": "lamquant-snn@synthetic-test",
        "change_id": "CHG-1",
        "author": "tester",
        "description": "a first one",
    }
    parsed = SNN.parse(args)
    result = materialize(SNN.assets, blut_instance, run_config=SNN.run_config(parsed))
    assert result.success
    store = store_of(blut_instance)

    def facts(name: str) -> dict[str, Any]:
        event = result.asset_materializations_for_node(f"lamquant__{name}")[0]
        return dict(event.metadata["artifact"].value)

    assert facts("activity_labels")["n_patients_with_critical"] >= 3
    verdict = parse_verdict(store.read(facts("snn_verdict")["digest"], "verdict.json"))
    assert verdict.passed and verdict.synthetic and verdict.candidate == facts("snn_checkpoint")["digest"]
    assert verdict.inputs["labels"] == facts("activity_labels")["digest"]
    assert verdict.isolation is not None and verdict.tries == 1
    registry = ModelRegistry(store.root / "registry")
    history = registry.history("lamquant-snn")
    assert [(one.alias, one.candidate) for one in history] == [("synthetic-test", verdict.candidate)]
    kept = store.open(facts("snn_verdict")["digest"]) / "states"
    assert len(list(kept.glob("*.states"))) == verdict.details["counts"]["recordings"]
    page = result.asset_materializations_for_node("lamquant__snn_verdict")[0].metadata
    assert "Synthetic recordings" in str(page["figures"].value)

    def planned() -> dict[str, str]:
        found = plan(blut_instance, SNN.assets, SNN.configs(parsed))
        return {one.asset.removeprefix("lamquant/"): one.state for one in found}

    assert planned()["snn_verdict"] == planned()["activity_labels"] == "fresh"
    calm = next(path for path in edf if not any(m.text == "seizure" for m in read_edf(path).annotations))
    rows = "channel,start_time,stop_time,label,confidence\nTERM,5.0,9.0,spsw,1.0\n"
    calm.with_suffix(".csv_bi").write_text(f"# duration = 60.0 secs\n{rows}")
    changed = planned()
    assert changed["annotations"] == "stale"
    assert changed["activity_labels"] == changed["snn_checkpoint"] == changed["snn_verdict"] == "blocked"
    assert changed["lma_corpus"] == changed["split_manifest"] == "fresh", "who is sealed stays sealed"
