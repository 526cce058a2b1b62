"""Preference optimisation starts from its own reference, with any of its losses."""

import math
from pathlib import Path
from typing import Any, get_args

import pytest

from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.configs.training import DpoCheckpointConfig, PreferenceLoss, refuse_senseless
from cookbooks.llm.payload.dpo_train import dpo_trainer, evaluate, refuse_another_start
from cookbooks.llm.training_loop.examples import read_pairs
from cookbooks.llm.training_loop.job import Job
from cookbooks.llm.training_loop.models import load_frozen, load_model
from cookbooks.llm.training_loop.settings import DpoSettings
from tests.cookbooks.llm.training_support import (
    Training,
    assert_every_file_is_needed,
    assert_goes_on_after_a_kill,
    pairs,
    split,
    tiny_model,
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    return {"base_model": tiny_model(root / "tiny"), "split": split(root / "pairs", pairs(8))}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_first_loss_is_ln_2_and_the_chosen_answers_win(
    method: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    training = Training(tmp_path, "dpo", inputs, method=method, lr=1e-2 if method == "lora" else 1e-3)
    facts = training.run()
    first = next(event for event in training.events if event["event"] == "step")
    assert first["values"]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert facts["eval_loss_before"] == pytest.approx(math.log(2), abs=1e-6)
    assert facts["eval_loss"] < facts["eval_loss_before"]
    last = training.epochs()[-1]
    assert last["rewards_margins"] > 0 and {"eval_rewards_accuracies", "rewards_accuracies"} <= last.keys()


def test_in_bfloat16_the_first_loss_is_near_ln_2(inputs: dict[str, Path], tmp_path: Path) -> None:
    """0.7009 was seen, where the reference is computed in another order."""
    facts = Training(tmp_path, "dpo", inputs, dtype="bfloat16", max_steps=1).run()
    assert facts["dtype"] == "bfloat16"
    assert facts["eval_loss_before"] == pytest.approx(math.log(2), abs=0.05)


@pytest.mark.parametrize("loss", get_args(PreferenceLoss))
def test_every_loss_of_trl_trains(loss: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    smoothing = 0.001 if loss == "exo_pair" else 0.0
    facts = Training(tmp_path, "dpo", inputs, loss=loss, label_smoothing=smoothing, max_steps=2).run()
    assert math.isfinite(facts["train_loss"]) and facts["steps"] == 2


def test_a_reference_that_is_another_model_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    job = Job(Training(tmp_path, "dpo", inputs, method="full").session(), "dpo", DpoSettings)
    examples = read_pairs(job.tokenizer, inputs["split"], 256)
    other = load_frozen(tiny_model(tmp_path / "other", seed=1), job.placement)
    trainer = dpo_trainer(job, examples, load_model(job.base, "full", job.placement), other)
    first = evaluate(trainer, examples.dataset())
    with pytest.raises(
        Refused, match=r"ln 2 = 0\.693147 is expected, .* not its own reference\. Start from a"
    ):
        refuse_another_start(first, "sigmoid", "float32")


def test_other_losses_are_judged_by_the_margin() -> None:
    fine: dict[str, Any] = {"eval_loss": 1.0, "eval_rewards/margins": 0.0}
    refuse_another_start(fine, "hinge", "float32")
    with pytest.raises(Refused, match=r"the margin of the rewards 0\.2"):
        refuse_another_start({**fine, "eval_rewards/margins": 0.2}, "hinge", "float32")


def test_a_loss_that_needs_smoothing_is_refused_without_it() -> None:
    with pytest.raises(ValueError, match=r"loss = 'exo_pair' needs label_smoothing > 0, which is 0\.0"):
        refuse_senseless(DpoCheckpointConfig(loss="exo_pair"))
    refuse_senseless(DpoCheckpointConfig(loss="exo_pair", label_smoothing=0.001))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_training_goes_on_to_the_same_bytes(
    method: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    """With an adapter the reference is the base without it, else a second model: both as before."""
    straight = Training(tmp_path / "straight", "dpo", inputs, method=method, lr=1e-3, save_steps=2)
    assert straight.run()["steps"] == 6
    assert_every_file_is_needed(straight, tmp_path / "damaged")
    assert_goes_on_after_a_kill(straight, tmp_path / "killed", at=5, of=4)
