"""A student learns from a teacher: its answers, its distributions, or its corrections."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.training_loop.teacher_answers import ANSWERS, Written, answered
from tests.cookbooks.llm.training_support import (
    Training,
    assert_every_file_is_needed,
    assert_goes_on_after_a_kill,
    dialogues,
    split,
    tiny_model,
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The teacher knows the dialogues by heart; the student knows nothing."""
    root = tmp_path_factory.mktemp("inputs")
    rows = dialogues(6)
    blank = tiny_model(root / "student")
    taught = {"base_model": blank, "split": split(root / "all", rows, n_eval=1)}
    teacher = Training(root / "teaching", "sft", taught, method="full", lr=1e-2, epochs=30)
    facts = teacher.run()
    assert facts["train_loss"] < 0.5
    shutil.copytree(teacher.out / "model", root / "teacher")
    return {"base_model": blank, "teacher_model": root / "teacher", "split": taught["split"]}


def test_logits_of_the_teacher_draw_the_student(inputs: dict[str, Path], tmp_path: Path) -> None:
    training = Training(tmp_path, "distill", inputs, kl_weight=0.9, temperature=2.0, epochs=4)
    facts = training.run()
    kl = [epoch["kl"] for epoch in training.epochs()]
    assert kl[-1] < kl[0] and facts["eval_loss"] < facts["eval_loss_before"]
    last = training.epochs()[-1]
    assert last["loss"] == pytest.approx(0.1 * last["cross_entropy"] + 0.9 * 4 * last["kl"], rel=1e-3)


@pytest.mark.parametrize("rows", [1, 256])
def test_the_loss_is_the_formula(
    rows: int, inputs: dict[str, Path], tmp_path: Path, monkeypatch: Any
) -> None:
    import torch

    from cookbooks.llm.payload.sft_train import sft_trainer
    from cookbooks.llm.training_loop import logit_distillation
    from cookbooks.llm.training_loop.examples import read_examples
    from cookbooks.llm.training_loop.job import Job
    from cookbooks.llm.training_loop.models import load_frozen, load_model
    from cookbooks.llm.training_loop.settings import DistillSettings

    monkeypatch.setattr(logit_distillation, "ROWS", rows)
    job = Job(Training(tmp_path, "distill", inputs, dropout=0.0).session(), "distill_logit", DistillSettings)
    examples = read_examples(job.tokenizer, inputs["split"], 256)
    teacher = load_frozen(inputs["teacher_model"], job.placement)
    more = {"teacher": teacher, "n_tokens": 259, "kl_weight": 0.3, "temperature": 2.0}
    student = load_model(job.base, "lora", job.placement)
    trainer = sft_trainer(job, examples, student, logit_distillation.LogitDistillation, **more)
    batch = next(iter(trainer.get_train_dataloader()))
    plain = load_model(job.base, "lora", job.placement)
    with torch.no_grad():
        found = float(trainer.compute_loss(trainer.model, batch))
        ours, theirs = (
            model(batch["input_ids"], batch["attention_mask"]).logits for model in (plain, teacher)
        )
    labels = batch["labels"][:, 1:]
    at = labels != -100
    ours, theirs = ours[:, :-1][at].double(), theirs[:, :-1][at].double()
    likely = -ours.log_softmax(-1).gather(1, labels[at][:, None]).mean()
    p, q = (theirs / 2).log_softmax(-1), (ours / 2).log_softmax(-1)
    apart = (p.exp() * (p - q)).sum(-1).mean()
    assert found == pytest.approx(float(0.7 * likely + 0.3 * 4 * apart), rel=1e-5)


def test_a_student_that_is_its_teacher_has_nothing_to_learn(inputs: dict[str, Path], tmp_path: Path) -> None:
    same = {**inputs, "teacher_model": inputs["base_model"]}
    training = Training(tmp_path, "distill", same, kl_weight=1.0, max_steps=1, dropout=0.0)
    training.run()
    (first,) = [event["values"] for event in training.events if event["event"] == "step"]
    assert first["loss"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("how", ["logit", "on_policy"])
def test_other_tokens_are_refused(how: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    """Of the same size, but two ids stand for each other's bytes."""
    other = tiny_model(tmp_path / "other", words=("a", "b"))
    training = Training(tmp_path, "distill", {**inputs, "teacher_model": other}, distillation=how)
    with pytest.raises(Refused, match=r"other tokens for 2 of 259 ids \(id \d+ is 'a' and 'b'"):
        training.run()


def test_answers_of_the_teacher_are_learned(inputs: dict[str, Path], tmp_path: Path) -> None:
    training = Training(tmp_path, "distill", inputs, distillation="sequence", epochs=4)
    facts = training.run()
    assert facts["n_answers"] + sum(facts["dropped"].values()) == 5 and facts["n_answers"] >= 3
    assert facts["eval_loss"] < facts["eval_loss_before"]
    lines = (training.work / ANSWERS).read_text().splitlines()
    said = [one["answer"] for line in lines[1:] for one in json.loads(line)]
    assert len(said) == 5 and any(answer.startswith("A ") for answer in said)


def test_a_killed_teacher_does_not_answer_twice(inputs: dict[str, Path], tmp_path: Path) -> None:
    config = {"distillation": "sequence", "epochs": 1, "teacher_batch_size": 1, "teacher_temperature": 0.7}
    straight = Training(tmp_path / "straight", "distill", inputs, **config)
    straight.run()
    whole = (straight.work / ANSWERS).read_text().splitlines(keepends=True)
    torn = Training(tmp_path / "torn", "distill", inputs, **config)
    (torn.work / ANSWERS).write_text("".join(whole[:3]) + whole[3][:5])

    torn.run()

    assert (torn.work / ANSWERS).read_text().splitlines(keepends=True) == whole
    assert torn.files() == straight.files()


def test_answers_that_will_not_do_are_counted_and_left_out() -> None:
    rows = [(str(n), row) for n, row in enumerate(dialogues(3))]
    kept, dropped = answered(rows, [Written("Yes."), Written("", "is empty"), Written("no no", "never ends")])
    assert [row["messages"][-1]["content"] for _, row in kept] == ["Yes."]
    assert dropped == {"is empty": 1, "never ends": 1}
    with pytest.raises(Refused, match=r"none of 3 answers of the teacher will do \(is empty: 3\)"):
        answered(rows, [Written("", "is empty")] * 3)


def test_plain_text_has_no_prompt_for_a_teacher(inputs: dict[str, Path], tmp_path: Path) -> None:
    texts = split(tmp_path / "texts", [{"id": str(n), "text": "Once."} for n in range(4)])
    training = Training(tmp_path, "distill", {**inputs, "split": texts}, distillation="sequence")
    with pytest.raises(Refused, match=r"plain text, which has no prompt .* distil by logit"):
        training.run()


RESUMED: dict[str, dict[str, Any]] = {
    "logit": {},
    "sequence": {},
    "on_policy": {"max_new_tokens": 8, "batch_size": 1, "grad_accum": 2},
}


@pytest.mark.parametrize("how", RESUMED)
def test_a_killed_training_goes_on_to_the_same_bytes(
    how: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    config = {"distillation": how, "epochs": 3, "save_steps": 2, **RESUMED[how]}
    straight = Training(tmp_path / "straight", "distill", inputs, **config)
    facts = straight.run()
    assert math.isfinite(facts["eval_loss"]) and facts["steps"] >= 6
    # an on-policy student writes the answers itself
    assert ("n_seen_tokens" in facts) == (how != "on_policy")
    assert_every_file_is_needed(straight, tmp_path / "damaged")
    assert_goes_on_after_a_kill(straight, tmp_path / "killed", at=5, of=4)


def test_on_policy_needs_prompts_for_one_update(inputs: dict[str, Path], tmp_path: Path) -> None:
    training = Training(tmp_path, "distill", inputs, distillation="on_policy", grad_accum=8)
    with pytest.raises(
        Refused, match="5 prompts do not fill one update of batch_size 2 x grad_accum 8: lower"
    ):
        training.run()
