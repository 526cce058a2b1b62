"""`eval_suite`: models that come from no training here, any of a base, a tuned and a quantised one."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.recipes import ArgsError
from blut_assets.stages.handles import HANDLES
from blut_resources.files.durable import remove_tree
from blut_resources.instance.instance import open_instance, store_of
from cookbooks.llm.recipes.suite import EVAL_SUITE
from cookbooks.llm.suite import evaluated_models
from tests.blut_resources.registry.test_versions import Bench
from tests.cookbooks.llm.gguf_support import CONVERT, kit, made, small_model, small_split
from tests.cookbooks.llm.outcomes import failure, metadata
from tests.cookbooks.llm.test_evaluation_tasks import CHOICE, DOCS, task
from tests.databases import shipped

Run = Callable[..., dg.ExecuteInProcessResult]
ASKED = {"max_examples": 4, "context": 128, "seq_len": 128, "device": "cpu", "max_new_tokens": 4}


def configs(**args: Any) -> dict[str, Any]:
    parsed = EVAL_SUITE.parse({"dataset_path": "/rows.jsonl", **args})
    return {key.path[-1]: config for key, config in EVAL_SUITE.configs(parsed).items()}


def test_one_form_reaches_every_asset() -> None:
    judge = {"judge_url": "http://localhost/v1", "judge_model": "j", "judge_samples": 3}
    found = configs(model_path="/m", **judge, seed=7)
    assert found["evaluated_models"].roles == {"tuned": "/m"}
    scoring = found["suite_evaluation"]
    assert (scoring.judge_url, scoring.judge_model, scoring.judge_samples) == ("http://localhost/v1", "j", 3)
    assert scoring.seed == 7 and found["examples"].path == "/rows.jsonl"


REFUSED = {
    "no model": ({}, "all empty: give at least one to score"),
    "half a judge": ({"model_path": "m", "judge_url": "http://x/v1"}, "judge_model: missing"),
    "no url": ({"model_path": "m", "judge_model": "j"}, "judge_url: missing"),
    "no key": (
        {"model_path": "m", "judge_url": "http://x", "judge_model": "j", "judge_key_env": "NO_SUCH_KEY"},
        "NO_SUCH_KEY",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_scored_is_refused_in_the_form(what: str) -> None:
    args, words = REFUSED[what]
    with pytest.raises(ArgsError, match=words):
        configs(**args)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models, the GGUF of one, rows, and a task."""
    kit()
    root = tmp_path_factory.mktemp("given")
    base, model = small_model(root / "base", seed=1), small_model(root / "model")
    split = small_split(root / "split")
    made("gguf_convert", CONVERT, root / "gguf", model=model, split=split)
    shutil.move(root / "gguf" / "model.gguf.part", root / "mine.gguf")
    task(root / "tasks", DOCS, **CHOICE)
    rows = {"dataset": split / "eval.jsonl", "tasks": root / "tasks"}
    return {"base": base, "model": model, "gguf": root / "mine.gguf", **rows}


@pytest.fixture(scope="module")
def run(given: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    from blut_assets.definitions import defs

    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text(shipped())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.delenv("BLUT_STORE", raising=False)
        instance = dg.DagsterInstance.from_config(str(home))

        def execute(**args: Any) -> dg.ExecuteInProcessResult:
            parsed = EVAL_SUITE.parse({"dataset_path": str(given["dataset"]), **ASKED, **args})
            return defs.resolve_job_def("eval_suite").execute_in_process(
                run_config=parsed.model_dump(mode="json"), instance=instance, raise_on_error=False
            )

        yield execute


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.llamacpp
@pytest.mark.timeout(1800)
def test_three_models_of_the_users_side_by_side(run: Run, given: dict[str, Path]) -> None:
    models = {"base_model": str(given["base"]), "model_path": str(given["model"])}
    models["quantised_path"] = str(given["gguf"])
    args = {**models, "tasks": [str(given["tasks"])], "prompts": ["Where is Oslo?"]}
    result = run(**args)
    assert result.success
    found = metadata(result)
    assert found["evaluated_tokenizer"]["taken_from"] == "tuned"
    assert found["evaluated_rows"]["n_examples"] == 8
    report = found["suite_evaluation"]
    assert report["n_models"] == 3
    assert report["loss_tuned"] == pytest.approx(report["loss_quantised"], rel=1e-3)
    assert report["loss_base"] != report["loss_tuned"]
    assert "| trivia | acc |" in report["scores"] and "95 %" in report["scores"]
    assert all("Where is Oslo?" in report[name] for name in ("before", "after", "after_quantised"))
    assert "asked: Where is Oslo?" in report["summary"]
    again = metadata(run(**args))
    assert again["suite_evaluation"]["reused"] and again["suite_evaluation"]["summary"] == report["summary"]


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.llamacpp
@pytest.mark.timeout(1800)
def test_a_gguf_alone_scores_what_it_scores_beside_its_model(run: Run, given: dict[str, Path]) -> None:
    alone, both = (
        metadata(run(quantised_path=str(given["gguf"]), **more))
        for more in ({}, {"model_path": str(given["model"])})
    )
    assert alone["evaluated_tokenizer"]["made"] and not both["evaluated_tokenizer"]["made"]
    one, other = (found["suite_evaluation"] for found in (alone, both))
    assert one["loss_quantised"] == other["loss_quantised"]
    assert (one["n_models"], one.get("loss_tuned")) == (1, None)
    assert one["candidate"] == other["candidate"]


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.llamacpp
@pytest.mark.timeout(1800)
def test_what_is_no_model_is_refused_by_name(run: Run, given: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(b"no gguf")
    wrong = {"no.gguf": "does not begin as a GGUF does", "absent.gguf": "no such file"}
    for name, words in wrong.items():
        result = run(quantised_path=str(tmp_path / name))
        (event,) = [e for e in result.all_events if e.is_step_failure]
        data: Any = event.event_specific_data
        assert words in (data.user_failure_data.description or data.error.message)
        assert "suite_evaluation" not in metadata(result)


def looked_at(home: Path, **paths: str) -> dg.ExecuteInProcessResult:
    """`evaluated_models` alone."""
    return dg.materialize(
        [evaluated_models],
        instance=dg.DagsterInstance.from_config(str(home)),
        resources={"blut_handles": HANDLES},
        run_config={"ops": {"llm__evaluated_models": {"config": paths}}},
        raise_on_error=False,
    )


def test_the_gguf_of_a_registered_version_is_scored_by_its_name(home: Path, tmp_path: Path) -> None:
    with open_instance() as instance:
        bench = Bench(tmp_path, store_of(instance))
    record = bench.register()
    bench.promote("staging", 1)
    for text in ("model://mine@staging", "model://mine@1"):
        found = metadata(looked_at(home, quantised_path=text))["evaluated_models"]
        assert found["places"] == {"quantised": "mine@1"}
        models = json.loads((bench.store.open(found["artifact"]["digest"]) / "models.json").read_text())
        assert models == {"quantised": {"kind": "gguf", "digest": record.candidate}}
    refused = {
        "model://mine@9": "mine has no version 9; versions of mine: 1",
        "model://yours@prod": "registered models: mine (`blut model list`)",
    }
    for text, words in refused.items():
        said = failure(looked_at(home, quantised_path=text))
        assert f"model '{text}'" in said and words in said
    remove_tree(bench.store.entry(record.candidate))
    said = failure(looked_at(home, quantised_path="model://mine@1"))
    assert "is mine@1, but its GGUF is not to be had" in said and "the args of run run-1" in said
