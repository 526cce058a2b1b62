"""The recipe from recordings to a name: what it refuses before it begins, and one run of all of it."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.recipes import ArgsError
from blut_assets.testing import blut_instance, materialize
from blut_resources.instance.instance import store_of
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import parse_verdict
from cookbooks.lamquant.adaptive.codec import load_adaptive
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.recipes.full_pipeline import FULL_PIPELINE
from tests.cookbooks.lamquant.adaptive.case import REGISTRY

__all__ = ["blut_instance"]

SYNTHETIC = "synthetic:subjects=6,seconds=40,seed=3,seizures=3,confusers=1"
LENIENT = (
    REGISTRY.replace("min_rate_advantage: 1.02", "min_rate_advantage: 0.1")
    .replace("max_detection_loss: 0.5", "max_detection_loss: 1")
    .replace("max_elsewhere_prdn: 60", "max_elsewhere_prdn: 99")
    .replace("max_critical_share: 0.7, min_auc: 0.6", "max_critical_share: 1, min_auc: 0")
)
CHANGE = {"change_id": "CHG-1", "author": "tester", "description": "a first one"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"promote_as": "lamquant-pipeline@staging"}, "synthetic data"),
        ({"promote_as": "lamquant-snn@synthetic-a"}, "give lamquant-pipeline@ALIAS"),
        ({"device": "cuda"}, "the controller is trained on the CPU"),
        ({"levels": [8, 12, 16]}, "4 ascending whole numbers of 8 to 20"),
        ({"levels": [7, 12, 16, 19]}, "4 ascending whole numbers of 8 to 20"),
        ({"levels": [10, 12, 16, 21]}, "4 ascending whole numbers of 8 to 20"),
        ({"levels": [10, 12, 12, 19]}, "4 ascending whole numbers of 8 to 20"),
        ({"levels": [10.5, 12, 16, 19]}, "levels"),
        ({"failsafe_rms": 1.0}, "failsafe_rms"),
        ({"hold_s": 61}, "hold_s"),
        ({"preroll_s": -1}, "preroll_s"),
        ({"profile": "firmware"}, "profile"),
        ({"tier": 3}, "tier"),
        ({"registry": "/nowhere/mine.yaml"}, "mine.yaml"),
    ],
)
def test_what_the_end_would_refuse_is_refused_at_the_begin(args: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgsError, match=said):
        FULL_PIPELINE.run_config(FULL_PIPELINE.parse({"edf_root": SYNTHETIC, **CHANGE, **args}))


@pytest.mark.heavy
@pytest.mark.slow
def test_recordings_become_a_judged_pipeline_with_a_synthetic_name(
    tmp_path: Path, blut_instance: dg.DagsterInstance
) -> None:
    (tmp_path / "floors.yaml").write_text(LENIENT)
    args = {
        "edf_root": SYNTHETIC,
        "eeg_channels": ["EEG Fz", "EEG C3", "EEG C4"],
        "preset": "smoke",
        "epochs": 1,
        "model": "logistic",
        "profile": "device",
        "val_fraction": 0.3,
        "test_fraction": 0.3,
        "registry": str(tmp_path / "floors.yaml"),
        "promote_as": "lamquant-pipeline@synthetic-test",
        **CHANGE,
    }
    config = FULL_PIPELINE.run_config(FULL_PIPELINE.parse(args))
    result = materialize(FULL_PIPELINE.assets, blut_instance, run_config=config)
    assert result.success
    store = store_of(blut_instance)

    def facts(name: str) -> dict[str, Any]:
        event = result.asset_materializations_for_node(f"lamquant__{name}")[0]
        return dict(event.metadata["artifact"].value)

    made = facts("adaptive_codec")
    codec = load_adaptive(store.open(made["digest"]))
    assert (made["levels"], made["model"], made["preroll_bytes"]) == ([10, 12, 16, 19], "logistic", 3000)
    assert (store.open(made["digest"]) / "states.png").read_bytes()[:4] == b"\x89PNG"
    verdict = parse_verdict(store.read(facts("pipeline_verdict")["digest"], "verdict.json"))
    assert verdict.passed and verdict.synthetic and verdict.candidate == made["digest"]
    assert verdict.inputs["labels"] == facts("activity_labels")["digest"]
    assert verdict.isolation is not None and verdict.tries == 1
    kept = store.open(facts("pipeline_verdict")["digest"])
    files = sorted((kept / "bitstreams").glob("*.lqc"))
    assert len(files) == len(list((kept / "states").iterdir())) == len(verdict.details["states"])
    assert Decoder(files[0], codec.model).only.n_samples == 10000
    history = ModelRegistry(store.root / "registry").history("lamquant-pipeline")
    assert [(one.alias, one.candidate) for one in history] == [("synthetic-test", verdict.candidate)]
    page = result.asset_materializations_for_node("lamquant__pipeline_verdict")[0].metadata
    assert "Synthetic recordings" in str(page["figures"].value) and "rate_advantage" in str(
        page["figures"].value
    )
