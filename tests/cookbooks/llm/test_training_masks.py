"""Which tokens carry a loss, asked of the batches that TRL really trains on."""

import copy
from pathlib import Path
from typing import Any

import pytest

from cookbooks.llm.payload.dpo_train import dpo_trainer
from cookbooks.llm.payload.sft_train import sft_trainer
from cookbooks.llm.training_loop.examples import examples_of, read_pairs
from cookbooks.llm.training_loop.job import Job
from cookbooks.llm.training_loop.models import load_model
from cookbooks.llm.training_loop.settings import DpoSettings, TrainingSettings
from tests.cookbooks.llm.training_support import Training, dialogues, pairs, split, tiny_model

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi there"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": "Bye."},
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    return {"base_model": tiny_model(root / "tiny"), "split": split(root / "split", dialogues(4))}


def trainer_over(rows: list[dict[str, Any]], inputs: dict[str, Path], root: Path) -> tuple[Any, Job]:
    job = Job(
        Training(root, "sft", inputs, dropout=0.0, batch_size=len(rows)).session(), "sft", TrainingSettings
    )
    sides = {"train": [(str(n), row) for n, row in enumerate(rows)], "eval": []}
    examples = examples_of(job.tokenizer, sides, 256)
    return sft_trainer(job, examples, load_model(job.base, "lora", job.placement)), job


def learned(trainer: Any, job: Job) -> list[str]:
    """What carries a loss, row by row, as text."""
    batch = next(iter(trainer.get_train_dataloader()))
    rows = zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True)
    return sorted(
        job.tokenizer.decode([i for i, label in zip(*row, strict=True) if label != -100]) for row in rows
    )


ROWS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all answers": ({"messages": TALK}, ["Hello!<|im_end|>Bye.<|im_end|>"]),
    "the last answer": ({"messages": TALK, "learn": "last"}, ["Bye.<|im_end|>"]),
    "plain text": ({"text": "Once upon a time."}, ["Once upon a time.<|im_end|>"]),
}


@pytest.mark.parametrize("name", ROWS)
def test_only_what_the_model_says_carries_a_loss(name: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    row, expected = ROWS[name]
    assert learned(*trainer_over([row], inputs, tmp_path)) == expected


def test_padding_does_not_hide_the_end_of_a_shorter_answer(inputs: dict[str, Path], tmp_path: Path) -> None:
    rows = [{"messages": TALK[:3]}, {"messages": [TALK[1], {"role": "assistant", "content": "A long one."}]}]
    assert learned(*trainer_over(rows, inputs, tmp_path)) == ["A long one.<|im_end|>", "Hello!<|im_end|>"]


def test_the_loss_is_that_of_the_answers_alone(inputs: dict[str, Path], tmp_path: Path) -> None:
    """TRL's own figure against one from the logits of the untouched model."""
    import torch

    trainer, job = trainer_over([{"messages": TALK}], inputs, tmp_path)
    batch = next(iter(trainer.get_train_dataloader()))
    plain = load_model(job.base, "lora", job.placement).eval()
    trainer.model.eval()
    with torch.no_grad():
        found = float(trainer.compute_loss(trainer.model, copy.copy(batch)))
        logits = plain(batch["input_ids"]).logits[0, :-1].double().log_softmax(-1)
    labels = batch["labels"][0, 1:]
    at = (labels != -100).nonzero().squeeze(1)
    assert found == pytest.approx(float(-logits[at, labels[at]].mean()), rel=1e-5)
    assert len(at) == len("Hello!") + len("Bye.") + 2


def test_both_sides_of_a_pair_carry_their_answer_alone(inputs: dict[str, Path], tmp_path: Path) -> None:
    rows = pairs(3)
    inputs = {**inputs, "split": split(tmp_path / "pairs", rows, n_eval=1)}
    job = Job(Training(tmp_path, "dpo", inputs, batch_size=2).session(), "dpo", DpoSettings)
    examples = read_pairs(job.tokenizer, inputs["split"], 256)
    trainer = dpo_trainer(job, examples, load_model(job.base, "lora", job.placement))

    batch = next(iter(trainer.get_train_dataloader()))

    found = sorted(
        job.tokenizer.decode(ids[mask.bool()])
        for ids, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True)
    )
    said = [row[side][0]["content"] + "<|im_end|>" for row in rows[:2] for side in ("chosen", "rejected")]
    assert found == sorted(said)
