"""Trainings through Dagster: payloads in processes of their own, on the small sample model."""

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import store_of
from cookbooks.llm.corpus import preference_dataset, preference_split, sft_dataset, sft_split
from cookbooks.llm.gguf import gguf_preflight
from cookbooks.llm.sources import base_model, examples, preferences, teacher_model
from cookbooks.llm.training import distilled_checkpoint, dpo_checkpoint, sft_checkpoint
from tests.cookbooks.llm.outcomes import failure, metadata
from tests.cookbooks.llm.rows_support import ask, smollm2, write_rows

pytestmark = pytest.mark.slow

SFT = [examples, base_model, gguf_preflight, sft_dataset, sft_split, sft_checkpoint]
DPO = [preferences, base_model, gguf_preflight, preference_dataset, preference_split, dpo_checkpoint]
DISTILL = [*SFT[:-1], teacher_model, distilled_checkpoint]
SMALL = {"epochs": 1, "batch_size": 2, "grad_accum": 2, "rank": 4, "lr": 1e-3}


@pytest.fixture
def instance(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(home))


def run(
    instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition], **configs: dict[str, Any]
) -> dg.ExecuteInProcessResult:
    smollm2()
    ops = {"base_model": {"model": "sample:smollm2-2layer"}, "gguf_preflight": {"check": "none"}, **configs}
    return dg.materialize(
        assets,
        instance=instance,
        resources={"blut_handles": HANDLES},
        run_config={"ops": {f"llm__{name}": {"config": config} for name, config in ops.items()}},
        raise_on_error=False,
    )


@pytest.fixture
def rows(tmp_path: Path) -> str:
    return str(write_rows(tmp_path / "rows.jsonl", (ask(f"Question {n}", f"Answer {n}") for n in range(12))))


def test_trainings_are_reported_reused_and_held_to_their_limit(
    instance: dg.DagsterInstance, rows: str
) -> None:
    config = {"examples": {"path": rows}, "sft_checkpoint": SMALL}
    first = run(instance, SFT, **config)
    assert first.success
    facts = metadata(first)["sft_checkpoint"]
    assert (facts["method"], facts["steps"], facts["device"]) == ("lora", 3, "cpu")
    assert facts["base"] == metadata(first)["base_model"]["artifact"]["digest"]
    assert facts["eval_loss"] < facts["eval_loss_before"]
    assert {"seconds", "cpu_seconds", "estimated_bytes", "attention", "n_seen_tokens"} <= facts.keys()
    said = facts["sample_chat"]
    assert "**question**\n\nQuestion " in said and "**before" in said
    observed = [
        event.event_specific_data.asset_observation.metadata
        for event in first.all_events
        if event.is_asset_observation
    ]
    assert "eval_loss" in observed[0], "where the curve of the held-out rows begins"
    assert {"loss", "eval_loss", "grad_norm"} <= observed[-1].keys()
    folder = store_of(instance).open(facts["artifact"]["digest"])
    story = json.loads((folder / "trainer.json").read_text())
    assert story["base_name"] == "SmolLM2-135M-Instruct-2layer" and len(story["curve"]) == 3

    again = run(instance, SFT, **{**config, "sft_checkpoint": {**SMALL, "save_steps": 1}})
    taken = metadata(again)["sft_checkpoint"]
    assert taken["reused"] and taken["eval_loss"] == facts["eval_loss"], "when checkpoints are written"
    assert taken["shown_by"] == first.run_id and "sample_chat" not in taken

    limits = {"memory_max": "600M", "mode": "best-effort", "containment": "none"}
    low = run(instance, SFT, **{**config, "sft_checkpoint": {**SMALL, "reuse": "never", "limits": limits}})
    assert not low.success
    assert "the memory limit is 600 MiB" in failure(low) and "weights 135 MiB" in failure(low)

    learned = run(
        instance,
        DISTILL,
        examples={"path": rows},
        teacher_model={"model": "sample:smollm2-2layer"},
        distilled_checkpoint={**SMALL, "kl_weight": 0.2},
    )
    assert learned.success
    facts = metadata(learned)["distilled_checkpoint"]
    assert facts["eval_loss"] < facts["eval_loss_before"] and "**question**" in facts["sample_chat"]


@pytest.mark.heavy
def test_preferences_are_trained_from_a_model(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    pairs = ({"prompt": f"Q {n}?", "chosen": f"Yes {n}.", "rejected": f"No {n}."} for n in range(10))
    path = str(write_rows(tmp_path / "pairs.jsonl", pairs))
    done = run(instance, DPO, preferences={"path": path}, dpo_checkpoint={**SMALL, "lr": 1e-4})
    assert done.success
    facts = metadata(done)["dpo_checkpoint"]
    assert facts["eval_loss_before"] == pytest.approx(0.693147, abs=1e-5)
    assert "**question**" in facts["sample_chat"]

    senseless = run(instance, DPO, preferences={"path": path}, dpo_checkpoint={**SMALL, "loss": "exo_pair"})
    assert "needs label_smoothing > 0" in failure(senseless)


def test_leave_to_train_one_model_is_none_to_train_another(
    instance: dg.DagsterInstance, rows: str, tmp_path: Path
) -> None:
    assert run(instance, [base_model, gguf_preflight]).success
    shutil.copytree(smollm2(), tmp_path / "another")
    (tmp_path / "another" / "README.md").write_text("---\nlicense: mit\n---\n\n# another\n")
    ops = {"base_model": {"model": str(tmp_path / "another")}, "examples": {"path": rows}}
    result = dg.materialize(
        SFT,
        instance=instance,
        selection=[asset for asset in SFT if asset is not gguf_preflight],
        resources={"blut_handles": HANDLES},
        run_config={"ops": {f"llm__{name}": {"config": config} for name, config in ops.items()}},
        raise_on_error=False,
    )
    assert "materialize gguf_preflight together with it" in failure(result)
    assert not [e for e in result.get_asset_materialization_events() if "sft_checkpoint" in str(e.asset_key)]
