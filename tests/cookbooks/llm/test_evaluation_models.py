"""Models side by side: one evaluator for a directory and for a GGUF, and the same figures from both."""

import json
import os
import shutil
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cookbooks.llm.chat.template import load_tokenizer
from cookbooks.llm.evaluation.summary import summary
from tests.cookbooks.llm.gguf_support import (
    CONVERT,
    kit,
    made,
    refused,
    run_payload,
    small_model,
    small_split,
)
from tests.cookbooks.llm.test_evaluation_judge import Handler, Server
from tests.cookbooks.llm.test_evaluation_tasks import CHOICE, DOCS, WRITTEN, task

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp, pytest.mark.timeout(1800)]
CONFIG: dict[str, Any] = {
    **{"max_examples": 8, "answers": 2, "max_new_tokens": 6, "context": 256, "reasoning": [], "limit": None},
    **{"judge_url": "", "judge_model": "", "judge_key_env": "", "judge_samples": 2, "seed": 1},
    **{"threads": 1, "device": "cpu", "chat_tasks": "generate_until", "prompts": []},
}
HF = {"name": "tuned", "kind": "hf", "input": "model", "digest": "blake3:1"}
GGUF = {"name": "quantised", "input": "gguf", "kind": "gguf"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model, its f16 GGUF, rows, and two tasks."""
    kit()
    root = tmp_path_factory.mktemp("evaluation")
    model, split = small_model(root / "model"), small_split(root / "split")
    made("gguf_convert", CONVERT, root / "gguf", model=model, split=split)
    (root / "gguf" / "model.gguf.part").rename(root / "gguf" / "model.gguf")
    task(root / "tasks" / "000", DOCS, **CHOICE)
    task(root / "tasks" / "001", DOCS[:2], **{**WRITTEN, "doc_to_target": "{{choices[0]}}"})
    return {
        "reference": model,
        "model": model,
        "gguf": root / "gguf",
        "rows": split / "eval.jsonl",
        "train": split / "train.jsonl",
        "tasks": root / "tasks",
    }


@pytest.fixture(scope="module")
def evaluated(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("evaluated") / "out"
    prompts = ["What is the capital of Peru?", "where is japan?"]
    facts = made("model_evaluate", {**CONFIG, "models": [HF, GGUF], "prompts": prompts}, out, **inputs)
    assert facts == {"n_tasks": 4, "n_samples": 8 + 2 + 3 + 2}
    return out, json.loads((out / "report.json").read_text())


def metrics(report: dict, name: str) -> dict[str, Any]:
    return next(one["metrics"] for one in report["tasks"] if one["task"] == name)


def test_a_gguf_in_half_precision_scores_what_the_model_scores(evaluated: tuple[Path, dict]) -> None:
    out, report = evaluated
    loss = metrics(report, "held_out")["loss"]["models"]
    assert loss["tuned"]["value"] == pytest.approx(loss["quantised"]["value"], rel=1e-3)
    assert loss["tuned"]["n_tokens"] == loss["quantised"]["n_tokens"] > 80
    lines = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    chosen = [line["log_likelihoods"] for line in lines if line["task"] == "trivia"]
    for one, other in zip(chosen[:3], chosen[3:], strict=True):
        assert one == pytest.approx(other, abs=0.1)
    assert (
        metrics(report, "trivia")["acc"]["models"]["tuned"]
        == (metrics(report, "trivia")["acc"]["models"]["quantised"])
    )


def test_every_figure_has_its_interval_and_its_samples(evaluated: tuple[Path, dict]) -> None:
    for one in evaluated[1]["tasks"]:
        for metric in one["metrics"].values():
            assert metric["models"]
            for figure in metric["models"].values():
                assert figure["n"] > 0 and figure["method"] in ("wilson", "bootstrap")
                assert figure["low"] <= figure["value"] <= figure["high"]


def test_the_same_evaluation_gives_the_same_bytes(
    evaluated: tuple[Path, dict], inputs: dict[str, Path], tmp_path: Path
) -> None:
    made("model_evaluate", {**CONFIG, "models": [HF, GGUF]}, tmp_path / "out", **inputs)
    one, other = (json.loads((out / "report.json").read_text()) for out in (tmp_path / "out", evaluated[0]))
    assert one.pop("asked") == [] != other.pop("asked")
    assert one == other
    assert (tmp_path / "out/samples.jsonl").read_bytes() == (evaluated[0] / "samples.jsonl").read_bytes()


def test_every_model_answers_the_same_questions_and_it_is_said_which_were_trained_on(
    evaluated: tuple[Path, dict],
) -> None:
    known, other = evaluated[1]["asked"]
    assert (known["in_training"], other["in_training"]) == (False, True)
    for one in (known, other):
        assert list(one["answers"]) == ["tuned", "quantised"]
        assert one["answers"]["tuned"]["text"]
    said = summary(evaluated[1])
    assert "held-out loss in nats a token: tuned " in said and "(8 rows, 95 % intervals)" in said
    assert "asked: where is japan?; it was in the training data" in said


def test_a_model_with_other_tokens_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(inputs["model"], tmp_path / "model")
    tokenizer = load_tokenizer(inputs["model"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["France"]})
    tokenizer.save_pretrained(tmp_path / "model")
    config = {**CONFIG, "models": [HF]}
    said = refused("model_evaluate", config, tmp_path / "out", **{**inputs, "model": tmp_path / "model"})
    assert "the tuned model cuts" in said and "other tokens" in said


def test_what_lies_beside_a_gguf_of_the_users_is_not_part_of_it(
    inputs: dict[str, Path], evaluated: tuple[Path, dict], tmp_path: Path
) -> None:
    (tmp_path / "adapter.gguf").write_bytes(b"no adapter at all")
    shutil.copyfile(inputs["gguf"] / "model.gguf", tmp_path / "mine.gguf")
    given = {**inputs, "gguf": tmp_path / "mine.gguf"}
    made("model_evaluate", {**CONFIG, "models": [GGUF]}, tmp_path / "out", **given)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    found = metrics(report, "held_out")["loss"]["models"]
    assert found["quantised"] == metrics(evaluated[1], "held_out")["loss"]["models"]["quantised"]


def test_the_loss_is_that_of_the_trainer_over_answers_only(
    evaluated: tuple[Path, dict], inputs: dict[str, Path]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from cookbooks.llm.scoring.held_out import read_file

    model = AutoModelForCausalLM.from_pretrained(inputs["model"])
    total, count = 0.0, 0
    for row in read_file(load_tokenizer(inputs["model"]), inputs["rows"]):
        labels = torch.tensor([row.labels])
        n = int((labels[:, 1:] != -100).sum())
        with torch.inference_mode():
            total += n * float(model(torch.tensor([row.ids]), labels=labels).loss)
        count += n
    found = metrics(evaluated[1], "held_out")["loss"]["models"]["tuned"]
    assert found["value"] == pytest.approx(total / count, rel=1e-4) and found["n_tokens"] == count


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"judge_url": "http://127.0.0.1:9/v1", "judge_model": "m"}, "nobody answers there"),
        ({"reasoning": ["no_such_task:3"]}, "no_such_task"),
        ({"judge_url": "http://127.0.0.1:9/v1"}, "judge_model"),
        ({"judge_url": "http://x", "judge_model": "m", "judge_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
    ],
)
def test_a_scorer_that_is_missing_is_refused(
    inputs: dict[str, Path], tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    config = {**CONFIG, "models": [HF], **change}
    assert words in refused("model_evaluate", config, tmp_path / "out", **inputs)


def test_a_judge_that_goes_away_is_a_failure_and_leaves_no_report(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "no_proxy", "127.0.0.1")
    with Server() as server:
        server.replies = ['{"grade": 4}', 400]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        config = {**CONFIG, "models": [HF], "judge_url": server.url, "judge_model": "m"}
        status, _, said = run_payload("model_evaluate", config, tmp_path / "out", **inputs)
        server.shutdown()
        thread.join()
    assert status != 0 and "status 400" in said
    assert list((tmp_path / "out").iterdir()) == []


def test_a_judge_grades_the_answers_and_its_key_is_nowhere(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "BLUT_JUDGE_KEY", "secret-key")
    monkeypatch.setitem(os.environ, "BLUT_JUDGE_HOSTS", "127.0.0.1")
    monkeypatch.setitem(os.environ, "no_proxy", "127.0.0.1")
    assert issubclass(Server, ThreadingHTTPServer) and Handler
    with Server() as server:
        server.replies = ['{"grade": 4}', "no idea"]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        named = {"judge_url": server.url, "judge_model": "grader", "judge_key_env": "BLUT_JUDGE_KEY"}
        made("model_evaluate", {**CONFIG, "models": [HF], **named}, tmp_path / "out", **inputs)
        server.shutdown()
        thread.join()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    found = metrics(report, "judge")["grade"]["models"]["tuned"]
    assert (found["value"], found["n"]) == (4.0, 1)
    assert "1 of 2 replies had none" in next(t["about"] for t in report["tasks"] if t["task"] == "judge")
    assert not any(b"secret-key" in path.read_bytes() for path in (tmp_path / "out").iterdir())
