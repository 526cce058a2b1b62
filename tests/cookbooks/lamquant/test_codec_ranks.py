"""Several processes that train the codec together learn what one learns, and resume to the same bytes."""

import json
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.presets import PRESETS, judged_at
from cookbooks.lamquant.codec.training import Trainer
from tests.cookbooks.lamquant.codec_support import finish, frozen, start_ranks, tree_digest, write_windows
from tests.together import workers

CONFIG: dict[str, Any] = {
    "preset": "smoke",
    "tier": 3,
    "seed": 5,
    "epochs": 3,
    "threads": 1,
    "resume": "auto",
    "device": "cpu",
}


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_windows(tmp_path_factory.mktemp("windows"))


def epochs_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == "epoch"]


@pytest.mark.heavy
def test_two_processes_learn_what_one_learns_and_only_one_speaks_and_writes(
    windows: Path, tmp_path: Path
) -> None:
    status, events, err = finish("joint_train", frozen(tmp_path, CONFIG, windows=windows), ranks=2)
    assert status == 0, err
    torch.set_num_threads(1)
    preset = replace(PRESETS["smoke"], epochs=CONFIG["epochs"])
    alone = Trainer(load_corpus(windows), preset, judged_at(3), CONFIG["seed"], torch.device("cpu"))
    told = epochs_of(events)
    assert [event["epoch"] for event in told] == [1, 2, 3]
    for event, near in zip(told, (1e-6, 0.02, 0.02), strict=True):
        expected = alone.run_epoch()
        for name in ("loss", "val_loss"):  # what is quantised next depends on the model to its last bit
            assert event["metrics"][name] == pytest.approx(expected[name], rel=near), (event, expected)
    assert told[-1]["step"] == alone.steps
    assert [event["event"] for event in events].count("done") == 1
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.heavy
def test_two_that_were_killed_resume_to_the_bytes_of_two_that_were_not(windows: Path, tmp_path: Path) -> None:
    status, _, err = finish("joint_train", frozen(tmp_path / "whole", CONFIG, windows=windows), ranks=2)
    assert status == 0, err
    config = frozen(tmp_path / "killed", CONFIG, windows=windows)
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = start_ranks("joint_train", config, 2)
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "checkpoint":
                os.kill(workers(process.pid)[1], number)
                break
        _, err = process.communicate(timeout=120)
        assert process.returncode != 0
        words = "the next attempt resumes" if number == signal.SIGTERM else "was ended by SIGKILL"
        assert words in err and "Connection closed" not in err
    status, events, err = finish("joint_train", config, ranks=2)
    assert status == 0, err
    assert epochs_of(events)[0]["epoch"] > 1
    assert tree_digest(tmp_path / "killed" / "out") == tree_digest(tmp_path / "whole" / "out")


@pytest.mark.heavy
def test_they_listen_to_nobody_outside_this_machine(windows: Path, tmp_path: Path) -> None:
    config = frozen(tmp_path, {**CONFIG, "epochs": 200}, windows=windows)
    process = start_ranks("joint_train", config, 2)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "epoch"
    family = [process.pid, *workers(process.pid).values()]
    places = [place for pid in family for place in _listening(pid)]
    process.terminate()
    process.communicate(timeout=60)
    assert len(family) == 3 and places and set(places) == {"127.0.0.1"}
    assert not any(Path(f"/proc/{pid}").exists() for pid in family)


def _listening(pid: int) -> list[str]:
    """The addresses at which a process listens; one of IPv6 as it stands in /proc."""
    opened = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in opened:
                address = fields[1].partition(":")[0]
                four = socket.inet_ntoa(bytes.fromhex(address)[::-1]) if table == "tcp" else address
                found.append(four)
    return found
