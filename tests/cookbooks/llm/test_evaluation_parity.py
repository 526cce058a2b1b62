"""The same tasks in lm-eval, where it is installed: the same log-likelihoods and the same scores."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.cookbooks.llm.gguf_support import kit, made, small_split
from tests.cookbooks.llm.rows_support import smollm2
from tests.cookbooks.llm.test_evaluation_models import CONFIG
from tests.cookbooks.llm.test_evaluation_tasks import CHOICE, WRITTEN, task

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp, pytest.mark.timeout(1800)]
SCRIPT = """
import json, sys
import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
model, tasks, chat = sys.argv[1], sys.argv[2], sys.argv[3] == "chat"
names = sys.argv[4:]
found = lm_eval.simple_evaluate(
    model=HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=1),
    tasks=names, task_manager=TaskManager(include_path=tasks, include_defaults=False),
    apply_chat_template=chat, bootstrap_iters=0, log_samples=True,
)
samples = {name: [[r for r in one["filtered_resps"]] for one in found["samples"][name]] for name in names}
print("RESULT", json.dumps({"results": found["results"], "samples": samples}, default=str))
"""
DOCS = [
    {"question": "What is the capital of France?", "choices": ["Rome", "Paris", "a big dog"], "answer": 1},
    {"question": "What do cows drink?", "choices": ["sand", "water", "iron bars"], "answer": 1},
    {
        "question": "How many legs has a spider?",
        "choices": ["eight", "two", "it has none at all"],
        "answer": 0,
    },
    {"question": "Is ice cold?", "choices": ["yes", "no"], "answer": 0},
    {"question": "Größe ist ...?", "choices": ["size", "grease"], "answer": 0},
]
SHOTS = {"num_fewshot": 2, "fewshot_split": "test", "fewshot_config": {"sampler": "first_n"}}


def lm_eval(model: Path, tasks: Path, *names: str, chat: bool = False) -> dict:
    command = [sys.executable, "-c", SCRIPT, str(model), str(tasks), "chat" if chat else "plain", *names]
    result = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.partition("RESULT ")[2])


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="optional: pip install lm-eval==0.4.13"
)
def test_scores_are_those_of_lm_eval(tmp_path: Path) -> None:
    kit()
    spaced = {**CHOICE, "task": "spaced", "doc_to_text": "Q: {{question}}\nA: ", "target_delimiter": ""}
    written = {**WRITTEN, "doc_to_target": "{{choices[answer]}}"}
    contents = {
        "trivia": {**CHOICE, "doc_to_text": "Question: {{question}}\nAnswer:"},
        "shots": {**CHOICE, **SHOTS, "task": "shots", "description": "Choose well.\n\n"},
        "spaced": spaced,
        "sums": {**written, "metric_list": [{"metric": "exact_match", "ignore_case": True}]},
    }
    for number, (name, content) in enumerate(contents.items()):
        folder = tmp_path / "tasks" / f"{number:03}"
        path = task(folder, DOCS, **{**content, "task": name})
        # lm-eval looks for data from the working directory
        parsed = yaml.safe_load(path.read_text())
        parsed["dataset_kwargs"]["data_files"]["test"] = str(folder / "test.jsonl")
        path.write_text(yaml.safe_dump(parsed))
    model = smollm2()
    theirs = lm_eval(model, tmp_path / "tasks", "trivia", "shots", "spaced")
    theirs_chat = lm_eval(model, tmp_path / "tasks", "sums", chat=True)
    models = [{"name": "base", "input": "reference", "kind": "hf"}]
    inputs = {
        "reference": model,
        "rows": small_split(tmp_path / "split") / "eval.jsonl",
        "tasks": tmp_path / "tasks",
    }
    config = {**CONFIG, "answers": 0, "models": models}
    made("model_evaluate", config, tmp_path / "out", **inputs)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    ours = {one["task"]: one["metrics"] for one in report["tasks"]}
    for name in ("trivia", "shots", "spaced"):
        for metric in ("acc", "acc_norm"):
            expected = theirs["results"][name][f"{metric},none"]
            assert ours[name][metric]["models"]["base"]["value"] == pytest.approx(expected), (name, metric)
    lines = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    for name in ("trivia", "shots", "spaced"):
        found = [line["log_likelihoods"] for line in lines if line["task"] == name]
        for mine, other in zip(found, theirs["samples"][name], strict=True):
            expected = [one[0] for one in other]
            assert mine == pytest.approx(expected, abs=2e-3), name
    answers = [line["answer"] for line in lines if line["task"] == "sums"]
    assert answers == [one[0] for one in theirs_chat["samples"]["sums"]]
    exact = ours["sums"]["exact_match"]["models"]["base"]["value"]
    assert exact == theirs_chat["results"]["sums"]["exact_match,none"]
