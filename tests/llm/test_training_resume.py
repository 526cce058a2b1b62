"""A killed training goes on to the same bytes, and from nothing that is not whole."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cookbooks.llm.payload.training.resume import newest_complete
from tests.llm.training_support import Training, dialogues, split, tiny_model

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


def again(training: Training, root: Path, **config: Any) -> Training:
    """The same training elsewhere."""
    return Training(root, training.kind, training.inputs, **{**training.config, **config})


@pytest.mark.parametrize("method", ["undisturbed", "undisturbed_full"])
def test_a_killed_training_goes_on_to_the_same_bytes(
    method: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    undisturbed = request.getfixturevalue(method)
    killed = again(undisturbed, tmp_path)
    code = killed.run_until(lambda: killed.is_sealed(4))
    assert code == -signal.SIGKILL and not killed.files()

    facts = killed.run()

    assert facts["resumed_from_step"] >= 4
    assert killed.steps()[0] > 4, "steps that were done are not done again"
    assert killed.files() == undisturbed.files()


def test_a_training_that_is_asked_to_end_keeps_a_checkpoint(undisturbed: Training, tmp_path: Path) -> None:
    ended = again(undisturbed, tmp_path, save_steps=None)

    with pytest.raises(SystemExit, match="terminated at step 3; the next attempt goes on"):
        ended.run(lambda event: event.get("step") == 2 and os.kill(os.getpid(), signal.SIGTERM))
    assert [path.name for path in ended.work.glob("checkpoint-*")] == ["checkpoint-3"]
    assert ended.is_sealed(3)

    ended.run()

    assert ended.files() == undisturbed.files()


def _making(checkpoint: Path) -> dict[str, Any]:
    return json.loads((checkpoint / "complete.json").read_text())["making"]


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "one bit flipped": lambda path: path.write_bytes(
        path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])
    ),
}


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    undisturbed: Training, tmp_path: Path, name: str, damage: str
) -> None:
    shutil.copytree(undisturbed.work, tmp_path, dirs_exist_ok=True)
    said: list[str] = []
    DAMAGE[damage](tmp_path / "checkpoint-8" / name)

    found = newest_complete(tmp_path, _making(tmp_path / "checkpoint-6"), said.append)

    assert found == tmp_path / "checkpoint-6"
    assert len(said) == 1 and "checkpoint-8" in said[0] and name in said[0]


@pytest.mark.parametrize("method", ["undisturbed", "undisturbed_full"])
@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_what_goes_on_from_the_one_before_ends_the_same(
    method: str, request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    undisturbed = request.getfixturevalue(method)
    damaged = again(undisturbed, tmp_path)
    shutil.copytree(undisturbed.work, damaged.work, dirs_exist_ok=True)
    (damaged.checkpoint(8) / name).unlink()

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
    "lr": ({"lr": 2e-3}, "lr"),
    "batch size": ({"batch_size": 1}, "batch_size"),
    "seed": ({"seed": 8}, "seed"),
    "length": ({"max_steps": 7}, "max_steps"),
    "base": ({"digests": {"base_model": "another"}}, "digests"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_settings_start_over_and_say_why(
    undisturbed: Training, tmp_path: Path, change: str, capfd: pytest.CaptureFixture[str]
) -> None:
    values, name = CHANGES[change]
    other = again(undisturbed, tmp_path, **values, epochs=2)
    shutil.copytree(undisturbed.work, other.work, dirs_exist_ok=True)

    other.run()

    assert other.steps()[0] == 1
    assert f"it was made from something else: {name}" in capfd.readouterr().err


def test_other_examples_start_over(undisturbed: Training, tmp_path: Path) -> None:
    rows = dialogues(10)
    rows[0]["messages"][1]["content"] = "Something else."
    other = again(undisturbed, tmp_path)
    other.inputs = {**other.inputs, "split": split(tmp_path / "split", rows)}
    shutil.copytree(undisturbed.work, other.work, dirs_exist_ok=True)

    other.run()

    assert other.steps()[0] == 1


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

    other.run()

    assert other.steps()[0] == 1
    assert other.files() == undisturbed.files()


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
