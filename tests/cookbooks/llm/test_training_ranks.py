"""Several processes that train a language model together have the losses of one, and its words."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests import together
from tests.cookbooks.llm.training_support import (
    CONFIG,
    DISTILL,
    DPO,
    Training,
    dialogues,
    pairs,
    split,
    tiny_model,
)

STEADY: dict[str, Any] = {**CONFIG, "dropout": 0.0, "batch_size": 2, "grad_accum": 2}
KINDS = {"sft": {}, "dpo": DPO, "distill": DISTILL}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    root = tmp_path_factory.mktemp("inputs")
    base, rows = {"base_model": tiny_model(root / "tiny")}, split(root / "split", dialogues(18))
    teacher = {"teacher_model": tiny_model(root / "teacher", seed=1)}
    return {
        "sft": {**base, "split": rows},
        "dpo": {**base, "split": split(root / "pairs", pairs(18))},
        "distill": {**base, **teacher, "split": rows},
    }


def frozen(root: Path, config: dict[str, Any], inputs: dict[str, Path]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    said = {"schema": 1, "fingerprint": "test", "config": config, "out": str(root / "out")}
    paths = {name: str(path) for name, path in inputs.items()}
    (root / "config.json").write_text(json.dumps({**said, "work": str(root / "work"), "inputs": paths}))
    return root / "config.json"


def finish(kind: str, config: Path) -> list[dict[str, Any]]:
    process = together.start(f"cookbooks.llm.payload.{kind}_train", config, 2)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines() if line.startswith('{"event"')]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("kind", "change"),
    [
        *((kind, {}) for kind in KINDS),
        ("sft", {"batch_size": 4, "grad_accum": 1}),
        ("dpo", {"method": "full", "lr": 1e-3}),
    ],
)
def test_two_processes_have_the_losses_of_one_and_only_one_speaks(
    kind: str, change: dict[str, Any], inputs: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    config = {**STEADY, **KINDS[kind], **change}
    events = finish(kind, frozen(tmp_path / "two", config, inputs[kind]))
    alone = Training(tmp_path / "one", kind, inputs[kind], **config)
    alone.run()
    found = [event["metrics"] for event in events if event["event"] == "epoch" and event["epoch"] in (1, 2)]
    assert len(found) == 2 and [e["step"] for e in events if e["event"] == "step"] == alone.steps()
    for one, expected in zip(found, alone.epochs(), strict=True):
        for name in ("loss", "eval_loss"):
            assert one[name] == pytest.approx(expected[name], rel=1e-4), (name, one, expected)
    facts = [event["facts"] for event in events if event["event"] == "done"]
    assert len(facts) == 1 and facts[0]["peak_bytes"] > 0


@pytest.mark.heavy
def test_two_that_end_when_they_are_asked_to_or_are_killed_go_on_to_the_same_bytes(
    inputs: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    config = {**STEADY, "dropout": 0.1, "save_steps": 2}
    finish("sft", frozen(tmp_path / "whole", config, inputs["sft"]))
    path = frozen(tmp_path / "ended", config, inputs["sft"])
    for number, at in ((signal.SIGTERM, 2), (signal.SIGKILL, 5)):
        process = together.start("cookbooks.llm.payload.sft_train", path, 2)
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("step") == at and json.loads(line)["event"] == "step":
                os.kill(together.workers(process.pid)[1], number)
                break
        _, err = process.communicate(timeout=120)
        words = "terminated at step" if number == signal.SIGTERM else "was ended by SIGKILL"
        assert process.returncode and words in err
    newest = max((tmp_path / "ended" / "work").glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
    assert {"rng_state_0.pth", "rng_state_1.pth", "complete.json"} <= {one.name for one in newest.iterdir()}
    events = finish("sft", path)
    assert events[-1]["facts"]["resumed_from_step"] >= 2
    whole, ended = tmp_path / "whole" / "out", tmp_path / "ended" / "out"
    names = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(ended) for p in ended.rglob("*") if p.is_file())
    assert all((whole / name).read_bytes() == (ended / name).read_bytes() for name in names)
