"""From a checkpoint to a judged GGUF through Dagster: what is reused, refused, and stopped by a check."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.cli.run.ancestry import Ancestry
from blut_assets.history.lineage import Lineage
from blut_assets.history.planning import Planned, plan
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import store_of
from cookbooks.llm.artifacts import Checkpoint, DatasetSplit, GgufPreflight, HfModel
from cookbooks.llm.configs.corpus import BaseModelConfig
from cookbooks.llm.gguf import gguf_preflight
from cookbooks.llm.recipes.tails import SFT_TAIL
from cookbooks.llm.sources import base_model
from cookbooks.llm.verdict import evaluation_tasks
from tests.cookbooks.llm.gguf_support import kit, small_adapter, small_model, small_split
from tests.cookbooks.llm.outcomes import failure, metadata
from tests.cookbooks.llm.own_llama import checkout
from tests.cookbooks.llm.test_evaluation_tasks import CHOICE, DOCS, task
from tests.databases import shipped

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp, pytest.mark.timeout(1800)]


class Given(StageConfig):
    """Where a finished part of the graph lies; ``of`` is the base that a checkpoint names."""

    path: str
    of: str = ""


@stage_asset(cookbook="llm", group="training", name="sft_checkpoint")
def checkpoint(stage: Stage, base_model: HfModel, gguf_preflight: GgufPreflight, config: Given) -> Checkpoint:
    """A checkpoint that was trained before."""
    shutil.copytree(config.path, stage.out, dirs_exist_ok=True)
    measured = {"train_loss": 1.0, "eval_loss": 1.0, "eval_loss_before": 2.0, "peak_bytes": 1}
    facts = {
        "method": "lora",
        "n_trainable": 1,
        "steps": 1,
        "epochs": 1.0,
        "device": "cpu",
        "dtype": "float32",
    }
    return Checkpoint(base=config.of or base_model.digest, **facts, **measured)  # type: ignore[arg-type]


@stage_asset(cookbook="llm", group="corpus", name="sft_split", source=True)
def split(stage: Stage, config: Given) -> DatasetSplit:
    """Rows that were parted before."""
    digest = stage.store.put_reference(Path(config.path))
    return DatasetSplit(digest=digest, n_train=24, n_eval=8, n_groups=32, n_eval_groups=8, largest_group=1)


ASSETS = [base_model, gguf_preflight, checkpoint, split, evaluation_tasks, *SFT_TAIL.assets, SFT_TAIL.check]
Run = Callable[..., dg.ExecuteInProcessResult]


def planned(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> Planned:
    """What a plan says of the preflight, with the config of a run."""
    model = metadata(result)["base_model"]["blut/spec"]["config"]
    assets, configs = [base_model, gguf_preflight], {base_model.key: BaseModelConfig(**model)}
    return plan(instance, assets, configs)[-1]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(shipped())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.delenv("BLUT_STORE", raising=False)
        yield dg.DagsterInstance.from_config(str(home))


@pytest.fixture(scope="module")
def run(instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> Run:
    kit()
    root = tmp_path_factory.mktemp("given")
    model = small_model(root / "model")
    adapter, rows = small_adapter(model, root / "checkpoint"), small_split(root / "split")
    task(root / "tasks", DOCS, **CHOICE)
    evaluation = {"max_examples": 4, "context": 128, "device": "cpu"}
    config: dict[str, Any] = {
        "base_model": {"model": str(model)},
        "sft_checkpoint": {"path": str(adapter)},
        "sft_split": {"path": str(rows)},
        "sft_merged": {"name": "Small Tuned"},
        "sft_gguf": {"quant": "Q8_0", "n_tokens": 200, "context": 128, "device": "cpu", "max_kl": 20},
        "evaluation_tasks": {"tasks": [str(root / "tasks")]},
        "sft_evaluation": evaluation,
    }
    config["sft_gguf"] |= {"min_top1": 0.1, "max_perplexity_ratio": 100}

    def materialise(assets: list[Any] = ASSETS, **change: dict[str, Any]) -> dg.ExecuteInProcessResult:
        names = {asset.key.path[-1] for asset in assets if not isinstance(asset, dg.AssetChecksDefinition)}
        ops = {name: {**config.get(name, {}), **change.get(name, {})} for name in names}
        return dg.materialize(
            assets,
            instance=instance,
            resources={"blut_handles": HANDLES},
            run_config={"ops": {f"llm__{name}": {"config": values} for name, values in ops.items()}},
            raise_on_error=False,
        )

    return materialise


@pytest.fixture(scope="module")
def first(run: Run) -> dg.ExecuteInProcessResult:
    return run()


def test_a_checkpoint_becomes_a_file_that_was_compared_and_scored(
    first: dg.ExecuteInProcessResult, instance: dg.DagsterInstance
) -> None:
    assert first.success
    found = metadata(first)
    assert found["gguf_preflight"]["checked"] and found["gguf_preflight"]["pre_tokenizer"] == "smollm"
    shown = found["gguf_preflight"]["quantisations"].records
    assert any(row.data["quant"] == "Q4_K_M" for row in shown)
    assert found["sft_merged"]["name"] == "Small Tuned" and found["sft_merged"]["changed_tensors"] == 14
    file = found["sft_gguf"]
    assert (file["quant"], file["tensor_types"], file["license"]) == ("Q8_0", "Q8_0:15 F32:5", "mit")
    assert file["faithful"] and file["kl"] > 0 and file["n_tokens"] >= 200
    (check,) = first.get_asset_check_evaluations()
    assert check.passed and check.check_name == "gguf_fidelity"
    report = found["sft_evaluation"]
    assert report["candidate"] == file["artifact"]["digest"]
    assert report["n_models"] == 3 and report["loss_base"] != report["loss_tuned"]
    assert "| trivia | acc |" in report["scores"] and "95 %" in report["scores"]
    root = store_of(instance).open(file["artifact"]["digest"])
    assert sorted(path.name for path in root.iterdir()) == ["fidelity.json", "model.gguf"]


def test_the_second_run_reuses_everything(first: dg.ExecuteInProcessResult, run: Run) -> None:
    before, after = metadata(first), metadata(run())
    for name in ("gguf_preflight", "sft_checkpoint", "sft_merged", "sft_gguf", "sft_evaluation"):
        assert after[name]["reused"], name
        assert after[name]["artifact"] == before[name]["artifact"]


def test_below_a_floor_the_check_fails_and_nothing_after_it_runs(
    first: dg.ExecuteInProcessResult, run: Run
) -> None:
    result = run(sft_gguf={"quant": "Q2_K", "max_kl": 1e-6})
    assert not result.success
    found = metadata(result)
    assert found["sft_checkpoint"]["reused"] and found["sft_merged"]["reused"]
    assert not found["sft_gguf"]["faithful"] and "sft_evaluation" not in found
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed and "KL is" in (check.description or "")


@pytest.mark.heavy
def test_a_llamacpp_of_ones_own_is_told_apart_by_its_bytes(
    first: dg.ExecuteInProcessResult,
    run: Run,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pinned = metadata(first)["sft_gguf"]
    assert pinned["llamacpp"] == "llama-cpp-python 0.3.36" and pinned["blut/spec"]["inputs"].keys() == {
        *("base_model", "checkpoint", "merged", "split")
    }
    root = checkout(tmp_path / "llama.cpp", program=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BLUT_LLAMACPP_DIR", str(root))
    found = metadata(run())
    assert found["sft_checkpoint"]["reused"] and found["sft_merged"]["reused"], "a training needs none"
    for name in ("gguf_preflight", "sft_gguf", "sft_evaluation"):
        assert not found[name]["reused"] and "llamacpp_binaries" in found[name]["blut/spec"]["inputs"]
    assert found["sft_gguf"]["llamacpp"] == "llama.cpp of $BLUT_LLAMACPP_DIR, unknown commit"
    assert found["sft_gguf"]["artifact"]["kl"] == pinned["artifact"]["kl"], "it is the same llama.cpp"
    assert metadata(run())["sft_gguf"]["reused"]
    binaries = found["sft_gguf"]["blut/spec"]["inputs"]["llamacpp_binaries"]
    ancestry = Ancestry(instance, store_of(instance), Lineage(instance))
    lines = ancestry.up(found["sft_gguf"]["artifact"]["digest"])
    assert f"  llamacpp_binaries: {binaries[:12]}, looked up where it was made" in lines

    with (root / "conversion" / "base.py").open("a") as file:
        file.write("# edited\n")
    assert planned(instance, first).reason == "input changed: llamacpp_converter"
    (root / "convert_hf_to_gguf.py").unlink()
    assert planned(instance, first).state == "unseen"
    assert failure(run()).startswith(f"$BLUT_LLAMACPP_DIR={root}: no convert_hf_to_gguf.py is in it")
    monkeypatch.delenv("BLUT_LLAMACPP_DIR")
    assert metadata(run())["sft_gguf"]["artifact"] == pinned["artifact"], "the kit's is still there"


def test_leave_to_train_is_the_same_whether_or_not_a_gguf_is_wanted(
    first: dg.ExecuteInProcessResult, run: Run
) -> None:
    found = metadata(run([base_model, gguf_preflight], gguf_preflight={"check": "none"}))
    given = found["gguf_preflight"]
    assert not given["checked"] and given["gguf"].startswith("none is asked for")
    before = metadata(first)["gguf_preflight"]["artifact"]
    assert given["artifact"]["digest"] == before["digest"]


def test_a_model_that_cannot_become_a_gguf_is_not_trained(run: Run, tmp_path: Path) -> None:
    (small_model(tmp_path / "model") / "chat_template.jinja").unlink()
    result = run(base_model={"model": str(tmp_path / "model")})
    assert "has no chat template, so nobody could chat with its GGUF" in failure(result)
    assert "sft_checkpoint" not in metadata(result)


def test_a_checkpoint_of_another_model_is_refused(run: Run, tmp_path: Path) -> None:
    other = small_adapter(small_model(tmp_path / "model", seed=8), tmp_path / "checkpoint", seed=8)
    result = run(sft_checkpoint={"path": str(other), "of": "b3:another"})
    assert "trained from model b3:another" in failure(result)
    assert "sft_merged" not in metadata(result)


def test_a_task_that_cannot_be_read_is_refused_before_a_model_is_touched(run: Run, tmp_path: Path) -> None:
    task(tmp_path / "t", DOCS, **{**CHOICE, "doc_to_txt": "x"})
    result = run([evaluation_tasks], evaluation_tasks={"tasks": [str(tmp_path / "t")]})
    assert "doc_to_txt" in failure(result) and "did you mean doc_to_text" in failure(result)


def test_tasks_are_digested_with_their_data(run: Run, tmp_path: Path) -> None:
    digests = []
    for docs in (DOCS, DOCS, DOCS[:2]):
        shutil.rmtree(tmp_path / "t", ignore_errors=True)
        task(tmp_path / "t", docs, **CHOICE)
        found = metadata(run([evaluation_tasks], evaluation_tasks={"tasks": [str(tmp_path / "t")]}))
        digests.append(found["evaluation_tasks"]["artifact"]["digest"])
    assert digests[0] == digests[1] != digests[2]
