"""A killed training goes on to the same bytes, and from nothing that is not whole."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from cookbooks.llm.training_loop.job import HOW
from cookbooks.llm.training_loop.resume import SEAL, newest_complete, prune, why_not
from tests.cookbooks.llm.training_support import (
    Training,
    again,
    assert_every_file_is_needed,
    assert_goes_on_after_a_kill,
    dialogues,
    making_of,
    split,
    tiny_model,
)

METHODS = {"lora": {"method": "lora", "dropout": 0.1}, "full": {"method": "full", "lr": 1e-3}}
STEPS = {"epochs": 2, "save_steps": 2}
"""Of 8 rows in batches of 2: 8 steps, checkpoints at 2, 4, 6 and 8, the epoch ends at 4."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    return {"base_model": tiny_model(root / "tiny"), "split": split(root / "split", dialogues(10))}


def straight(method: str, inputs: dict[str, Path], factory: pytest.TempPathFactory) -> Training:
    """A training that nothing came in the way of."""
    training = Training(factory.mktemp(method), "sft", inputs, **STEPS, **METHODS[method])
    training.run()
    return training


@pytest.fixture(scope="module")
def undisturbed(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Of an adapter with dropout."""
    return straight("lora", inputs, tmp_path_factory)


@pytest.fixture(scope="module")
def undisturbed_full(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Of all weights."""
    return straight("full", inputs, tmp_path_factory)


@pytest.mark.parametrize("method", ["undisturbed", "undisturbed_full"])
def test_a_killed_training_goes_on_to_the_same_bytes(
    method: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    assert_goes_on_after_a_kill(request.getfixturevalue(method), tmp_path, at=5, of=4)


def test_a_training_that_is_asked_to_end_keeps_a_checkpoint(undisturbed: Training, tmp_path: Path) -> None:
    ended = again(undisturbed, tmp_path, save_steps=None)

    with pytest.raises(SystemExit, match="terminated at step 3; the next attempt goes on"):
        ended.run(lambda event: event.get("step") == 2 and os.kill(os.getpid(), signal.SIGTERM))
    assert [path.name for path in ended.work.glob("checkpoint-*")] == ["checkpoint-3"]
    assert ended.is_sealed(3)

    ended.run()

    assert ended.files() == undisturbed.files()


@pytest.mark.parametrize("method", ["undisturbed", "undisturbed_full"])
def test_every_file_of_a_checkpoint_is_needed_as_it_was_written(
    method: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """transformers goes on without optimizer, scheduler or random state, silently to another result."""
    assert_every_file_is_needed(request.getfixturevalue(method), tmp_path)


def test_a_file_that_came_later_is_named(undisturbed: Training, tmp_path: Path) -> None:
    shutil.copytree(undisturbed.work, tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoint-8" / "scaler.pt").write_bytes(b"of another program")
    why = why_not(tmp_path / "checkpoint-8", making_of(tmp_path / "checkpoint-8"))
    assert why == "scaler.pt was not there when it was finished"


def test_every_setting_that_changes_the_result_is_compared(undisturbed: Training) -> None:
    checkpoint = undisturbed.checkpoint(8)
    making = making_of(checkpoint)
    assert {*undisturbed.config} - {*HOW} < {*making}
    assert {"examples", "kind", "device", "dtype", "torch", "transformers", "trl", "peft"} < {*making}
    for name in making:
        why = why_not(checkpoint, {**making, name: "another"})
        assert why is not None and why.startswith(f"it was made from something else: {name} "), why


def test_what_goes_on_from_the_one_before_ends_the_same(undisturbed: Training, tmp_path: Path) -> None:
    damaged = again(undisturbed, tmp_path)
    shutil.copytree(undisturbed.work, damaged.work, dirs_exist_ok=True)
    (damaged.checkpoint(8) / "optimizer.pt").unlink()

    damaged.run()

    assert damaged.steps() == [7, 8]
    assert damaged.files() == undisturbed.files()


def test_a_finished_training_that_was_not_exported_only_exports(
    undisturbed: Training, tmp_path: Path
) -> None:
    finished = again(undisturbed, tmp_path)
    shutil.copytree(undisturbed.work, finished.work, dirs_exist_ok=True)

    finished.run()

    assert finished.steps() == []
    assert finished.files() == undisturbed.files()


def test_steps_may_end_inside_an_epoch(undisturbed: Training, tmp_path: Path) -> None:
    short = again(undisturbed, tmp_path / "one", max_steps=6, save_steps=3)
    short.run()
    once_more = again(undisturbed, tmp_path / "two", max_steps=6, save_steps=3)
    shutil.copytree(short.work, once_more.work, dirs_exist_ok=True)

    once_more.run()

    assert once_more.steps() == [4, 5, 6], (
        "transformers would go one step past the end of the last checkpoint"
    )
    assert once_more.files() == short.files()


CHANGES = {
    "lr": {"lr": 2e-3},
    "max_steps": {"max_steps": 7},
    "digests": {"digests": {"base_model": "another"}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_settings_start_over_and_say_why(
    undisturbed: Training, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    other = again(undisturbed, tmp_path, **CHANGES[name])
    shutil.copytree(undisturbed.work, other.work, dirs_exist_ok=True)

    assert other.first_step() == 1
    assert f"it was made from something else: {name}" in capfd.readouterr().err


def test_other_examples_start_over_and_say_why(
    undisturbed: Training, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = dialogues(10)
    rows[0]["messages"][1]["content"] = "Something else."
    other = again(undisturbed, tmp_path)
    other.inputs = {**other.inputs, "split": split(tmp_path / "split", rows)}
    shutil.copytree(undisturbed.work, other.work, dirs_exist_ok=True)

    assert other.first_step() == 1
    assert "it was made from something else: examples" in capfd.readouterr().err


def test_what_says_how_not_what_may_change(undisturbed: Training, tmp_path: Path) -> None:
    other = again(undisturbed, tmp_path, save_steps=None)
    shutil.copytree(undisturbed.work, other.work, dirs_exist_ok=True)
    shutil.rmtree(other.checkpoint(8))

    other.run()

    assert other.steps() == [7, 8]
    assert other.files() == undisturbed.files()


def test_resume_never_starts_over(undisturbed: Training, tmp_path: Path) -> None:
    other = again(undisturbed, tmp_path, resume="never")
    shutil.copytree(undisturbed.work, other.work, dirs_exist_ok=True)

    assert other.first_step() == 1


def test_two_checkpoints_are_kept_and_others_are_left_alone(undisturbed: Training, tmp_path: Path) -> None:
    training = again(undisturbed, tmp_path)
    foreign, torn = training.checkpoint(1), training.checkpoint(3)
    shutil.copytree(undisturbed.checkpoint(6), foreign)
    sealed = (foreign / "complete.json").read_text()
    (foreign / "complete.json").write_text(sealed.replace('"seed": 7', '"seed": 9'))
    torn.mkdir()

    training.run()

    kept = {path.name for path in training.work.glob("checkpoint-*")}
    assert kept == {"checkpoint-1", "checkpoint-6", "checkpoint-8"}


def test_what_cannot_be_read_now_is_neither_passed_over_nor_removed(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-4" / SEAL).mkdir()  # to read it fails, and not for what is in it
    said: list[str] = []
    with pytest.raises(OSError, match=SEAL):
        newest_complete(tmp_path, {}, said.append)
    assert said == [f"resume: checkpoint-{step} is not used: it was not finished" for step in (8, 6)]
    prune(tmp_path, {}, tmp_path / "checkpoint-8")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-4", "checkpoint-8"}
