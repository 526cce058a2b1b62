"""From a file of examples to a registered GGUF, by the recipe: versions, names, and what may not be named."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from blut_assets.definitions import defs
from blut_assets.history.planning import plan
from blut_assets.history.retention import reachable
from blut_assets.model_forms import ModelBytes, in_form
from blut_assets.stages.handles import HANDLES
from blut_resources.files.durable import remove_tree
from blut_resources.instance.instance import store_of
from blut_resources.registry.models import Authority, ModelRegistry
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.gc import collect
from cookbooks.llm.exports.forms import FORMS
from cookbooks.llm.gate.floors import EXAMPLE, pinned_floors
from cookbooks.llm.recipes import training as recipes
from cookbooks.llm.recipes.suite import EVAL_SUITE
from cookbooks.llm.recipes.tails import SFT_TAIL
from cookbooks.llm.sources import base_model
from tests.cookbooks.llm.gguf_support import kit
from tests.cookbooks.llm.outcomes import failure, metadata
from tests.cookbooks.llm.rows_support import ask, smollm2, write_rows
from tests.databases import shipped

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp, pytest.mark.timeout(1800)]


class Run:
    """The recipe, with the same args but for what is changed."""

    def __init__(self, instance: dg.DagsterInstance, args: dict[str, Any]) -> None:
        self.args, self._instance = args, instance
        self._job = defs.resolve_job_def("finetune_from_dataset")

    def __call__(self, **change: Any) -> dg.ExecuteInProcessResult:
        config = recipes.FINETUNE.parse({**self.args, **change}).model_dump(mode="json")
        return self._job.execute_in_process(run_config=config, instance=self._instance, raise_on_error=False)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(shipped())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.delenv("BLUT_STORE", raising=False)
        yield dg.DagsterInstance.from_config(str(home))


@pytest.fixture(scope="module")
def store(instance: dg.DagsterInstance) -> ArtifactStore:
    return store_of(instance)


@pytest.fixture(scope="module")
def registry(store: ArtifactStore) -> ModelRegistry:
    return ModelRegistry(store.root / "registry")


@pytest.fixture(scope="module")
def run(instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> Run:
    kit(), smollm2()
    rows = (ask(f"What is number {n}?", f"It is the number {n}.") for n in range(20))
    data = write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", rows)
    args: dict[str, Any] = {
        **{"dataset_path": str(data), "base_model": "sample:smollm2-2layer", "output_name": "Numbers"},
        **{"eval_ratio": 0.3, "epochs": 2, "batch_size": 2, "grad_accum": 1, "rank": 4, "lr": 2e-3},
        **{"device": "cpu", "min_eval_rows": 4},
        **{"change_id": "CHG-1", "description": "numbers by heart", "author": "Ada"},
    }
    return Run(instance, args)


@pytest.fixture(scope="module")
def first(run: Run) -> dg.ExecuteInProcessResult:
    return run(promote_as="numbers@staging")


@pytest.fixture(scope="module")
def second(first: dg.ExecuteInProcessResult, run: Run) -> dg.ExecuteInProcessResult:
    return run(quant="F16")


def alone(
    instance: dg.DagsterInstance, asset: dg.AssetsDefinition, **config: Any
) -> dg.ExecuteInProcessResult:
    """Materialize one asset and nothing that it depends on."""
    return dg.materialize(
        recipes.FINETUNE.assets,
        selection=[asset.key],
        instance=instance,
        resources={"blut_handles": HANDLES},
        run_config={"ops": {"__".join(asset.key.path): {"config": config}}},
        raise_on_error=False,
    )


def test_the_recipe_ends_in_a_version_that_knows_what_it_is(
    first: dg.ExecuteInProcessResult, registry: ModelRegistry, store: ArtifactStore
) -> None:
    assert first.success, failure(first)
    found = metadata(first)
    shown = found["sft_registered"]
    assert (shown["name"], shown["version"], shown["alias"]) == ("numbers", 1, "numbers@staging")
    assert shown["passed"] and shown["reasons"] == "every floor met"
    record = registry.registration("numbers@staging")
    digests = {name: one["artifact"]["digest"] for name, one in found.items()}
    assert record.candidate == digests["sft_gguf"] and record.run == first.run_id
    assert record.inputs == {
        "base_model": digests["base_model"],
        "checkpoint": digests["sft_checkpoint"],
        "merged": digests["sft_merged"],
        "split": digests["sft_split"],
        "evaluation": digests["sft_evaluation"],
    }
    assert record.license == "apache-2.0" and record.figures["kl"] == found["sft_gguf"]["kl"]
    assert record.figures["loss_quantised"] < record.figures["loss_base"]
    assert (store.open(record.candidate) / "model.gguf").is_file()
    written = json.loads((store.open(digests["sft_registered"]) / "registration.json").read_text())
    assert (written["version"], written["candidate"]) == (1, record.candidate)


def test_a_version_is_handed_out_as_other_programs_take_it(
    first: dg.ExecuteInProcessResult, registry: ModelRegistry, store: ArtifactStore
) -> None:
    record = registry.registration("numbers@1")
    model = ModelBytes(record.model, {"candidate": record.candidate, **record.inputs}, store)
    given = {name: in_form(model, name, [FORMS]) for name in FORMS}
    assert sorted(given["gguf"].files) == ["fidelity.json", "model.gguf"]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= given["hf"].files.keys()
    assert given["hf"].front["base_model"] == "SmolLM2-135M-Instruct-2layer"
    assert sorted(given["adapter"].files) == ["adapter_config.json", "adapter_model.safetensors"]
    file = given["ollama"].files["Modelfile"]
    assert isinstance(file, bytes) and file.startswith(b"FROM ./model.gguf\n")
    assert b'PARAMETER stop "<|im_end|>"\nPARAMETER num_ctx 2048\n' in file


def test_an_unchanged_run_computes_nothing_and_registers_again(
    first: dg.ExecuteInProcessResult, run: Run, registry: ModelRegistry
) -> None:
    floors = EXAMPLE.read_bytes().replace(b"min_eval_rows: 20", b"min_eval_rows: 4")
    rules = pinned_floors(floors, "floors.yaml", "numbers")
    registry.govern("numbers", "prod", floors="f" * 64, rules=rules, authority=Authority("ada", "a release"))
    again = run(promote_as="numbers@prod")
    found = metadata(again)
    assert again.success and found["sft_gguf"]["reused"] and found["sft_evaluation"]["reused"]
    assert not found["sft_registered"]["reused"]
    records = registry.registrations("numbers")[-2:]
    assert [(r.version, r.run) for r in records] == [(1, first.run_id), (1, again.run_id)]
    entry = registry.entry("numbers@prod")
    assert entry.version == 1 and entry.verdict == records[1].verdict
    assert (entry.why, entry.author, entry.floors) == ("numbers by heart", "Ada", "f" * 64) and entry.by


def test_a_governed_alias_is_refused_with_the_reason_and_the_version_stays(
    first: dg.ExecuteInProcessResult,
    run: Run,
    instance: dg.DagsterInstance,
    registry: ModelRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLUT_GOVERNED_ALIASES", "live")
    refused = run(promote_as="numbers@live", min_eval_rows=20)
    assert not refused.success
    said = failure(refused)
    assert "registered as numbers@1, but not promoted" in said
    assert "evaluation rows is 6, required >= 20" in said
    # the last asset alone, with floors that it was not judged by before, judges anew
    said = failure(alone(instance, SFT_TAIL.registered, name="numbers", alias="numbers@live"))
    assert "required >= 20" in said
    assert set(registry.aliases("numbers")) <= {"prod", "staging"}
    monkeypatch.delenv("BLUT_GOVERNED_ALIASES")
    assert run(promote_as="numbers@live", min_eval_rows=20).success, "what is not governed takes any version"
    assert not registry.registration("numbers@live").passed


@pytest.mark.heavy
def test_another_quantisation_is_another_version_and_what_does_not_belong_together_is_refused(
    second: dg.ExecuteInProcessResult, run: Run, instance: dg.DagsterInstance, registry: ModelRegistry
) -> None:
    assert second.success
    assert sorted(registry.versions("numbers")) == [1, 2]
    assert registry.resolve("numbers@staging") == registry.versions("numbers")[1].candidate
    # the newest file and the newest evaluation are not of one run
    older = recipes.FINETUNE.configs(recipes.FINETUNE.parse(run.args))[SFT_TAIL.gguf.key]
    assert metadata(alone(instance, SFT_TAIL.gguf, **older.model_dump(mode="json")))["sft_gguf"]["reused"]
    said = failure(alone(instance, SFT_TAIL.registered, name="numbers"))
    assert "llm/sft_evaluation" in said and "was not made of the newest" in said
    assert sorted(registry.versions("numbers")) == [1, 2]


def test_a_registered_model_is_a_base_model_wherever_one_is_taken(
    first: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, registry: ModelRegistry
) -> None:
    record = registry.registration("numbers@staging")
    for text in ("model://numbers@staging", "model://numbers@1"):
        found = metadata(alone(instance, base_model, model=text))["base_model"]
        assert found["artifact"]["digest"] == record.inputs["merged"]
        assert (found["name"], found["resolved"], found["gguf"]) == (
            "Numbers",
            "numbers@1",
            record.candidate,
        )
    configs = recipes.DPO.configs(
        recipes.DPO.parse(
            {"preferences_path": "p.jsonl", "base_model": "model://numbers@1", "output_name": "x"}
        )
    )
    (planned,) = plan(instance, [base_model], {base_model.key: configs[base_model.key]})
    assert planned.digest == record.inputs["merged"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model://numbers@9", "numbers has no version 9; versions of numbers: 1"),
        ("model://numbers@beta", "nothing is promoted to numbers@beta; aliases of numbers: "),
        ("model://yours@prod", "registered models: numbers"),
        ("model://numbers", "is not name@alias or name@version"),
    ],
)
def test_a_name_that_stands_for_nothing_is_explained(
    first: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, text: str, reason: str
) -> None:
    said = failure(alone(instance, base_model, model=text))
    assert f"model '{text}'" in said and reason in said


@pytest.mark.heavy
def test_collection_keeps_what_a_version_needs_and_its_loss_is_explained(
    second: dg.ExecuteInProcessResult,
    instance: dg.DagsterInstance,
    registry: ModelRegistry,
    store: ArtifactStore,
) -> None:
    needed = registry.registration("numbers@staging")
    collect(store, reachable(instance, 1), in_use_grace_s=0)
    assert all(store.has(digest) for digest in needed.digests())
    alone(instance, base_model, model="model://numbers@staging")
    remove_tree(store.entry(needed.inputs["merged"]))
    said = failure(alone(instance, base_model, model="model://numbers@staging"))
    assert "is numbers@1, but the model that its GGUF was made of is not to be had" in said
    assert f"with the args of run {needed.run}" in said


@pytest.mark.heavy
def test_a_registered_gguf_is_scored_by_its_name(
    first: dg.ExecuteInProcessResult, run: Run, instance: dg.DagsterInstance, registry: ModelRegistry
) -> None:
    args = {
        **{"dataset_path": run.args["dataset_path"], "quantised_path": "model://numbers@staging"},
        **{"max_examples": 4, "context": 128, "device": "cpu", "max_new_tokens": 4},
    }
    config = EVAL_SUITE.parse(args).model_dump(mode="json")
    job = defs.resolve_job_def("eval_suite")
    found = metadata(job.execute_in_process(run_config=config, instance=instance))["suite_evaluation"]
    assert found["candidate"] == registry.resolve("numbers@1") and found["loss_quantised"] > 0
