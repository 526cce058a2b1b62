"""The payload's side of the contract, as Dagster Pipes and as a person see it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster_pipes
import pytest

from blut_resources.payload_kit.session import CONFIG_ENV
from tests.conftest import REPOSITORY
from tests.small import small

PAYLOAD = """
from blut_resources.payload_kit.session import payload_session
with payload_session() as session:
    session.epoch(1, loss=0.5)
    if session.config["fail"]:
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("broken \\u2713") from error
    session.done(n=session.config["n"])
"""


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    return freeze(tmp_path, n=3, fail=False)


def freeze(directory: Path, **config: Any) -> Path:
    path = directory / "config.json"
    places = {"out": str(directory / "out"), "work": str(directory / "work")}
    path.write_text(json.dumps({"schema": 1, "fingerprint": "f", "config": config, "inputs": {}, **places}))
    return path


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PAYLOAD, *args]
    return subprocess.run(command, env={**os.environ, **env}, cwd=REPOSITORY, capture_output=True, text=True)


def through_pipes(config: Path) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    messages = config.with_name("messages")
    messages.touch()
    done = run(
        DAGSTER_PIPES_CONTEXT=dagster_pipes.encode_param({}),
        DAGSTER_PIPES_MESSAGES=dagster_pipes.encode_param({"path": str(messages)}),
        **{CONFIG_ENV: str(config)},
    )
    return done, [json.loads(line) for line in messages.read_text().splitlines()]


def test_events_arrive_as_messages_of_the_protocol(frozen: Path) -> None:
    began = time.time() - 0.001
    done, messages = through_pipes(frozen)
    assert done.returncode == 0, done.stderr
    version = {dagster_pipes.PIPES_PROTOCOL_VERSION_FIELD: dagster_pipes.PIPES_PROTOCOL_VERSION}
    assert all(message.items() >= version.items() for message in messages)
    events = [m["params"]["payload"] for m in messages if m["method"] == "report_custom_message"]
    assert all(began <= event.pop("t") <= time.time() for event in events)
    assert events == [
        {"event": "epoch", "epoch": 1, "step": None, "phase": "train", "metrics": {"loss": 0.5}},
        {"event": "done", "facts": {"n": 3}},
    ]
    assert (messages[0]["method"], messages[0]["params"]) == ("opened", {"extras": {"blut": True}})
    assert (messages[-1]["method"], messages[-1]["params"]) == ("closed", {})


def test_an_exception_is_told_with_its_cause(tmp_path: Path) -> None:
    done, messages = through_pipes(freeze(tmp_path, n=3, fail=True))
    assert done.returncode == 1 and "ValueError: broken" in done.stderr
    told = messages[-1]["params"]["exception"]
    assert (told["name"], told["message"]) == ("ValueError", "ValueError: broken \u2713\n")
    assert told["cause"]["name"] == "KeyError" and any("line" in entry for entry in told["stack"])


def test_a_person_sees_the_events_as_lines(frozen: Path) -> None:
    done = run("--config", str(frozen))
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["epoch", "done"]


def test_another_listener_of_pipes_hears_it_too(frozen: Path) -> None:
    done = run(
        DAGSTER_PIPES_CONTEXT=dagster_pipes.encode_param({"data": empty_context()}),
        DAGSTER_PIPES_MESSAGES=dagster_pipes.encode_param({"stdio": "stdout"}),
        **{CONFIG_ENV: str(frozen)},
    )
    methods = [json.loads(line)["method"] for line in done.stdout.splitlines()]
    assert methods == ["opened", "report_custom_message", "report_custom_message", "closed"], done.stderr


def empty_context() -> dict[str, Any]:
    return dict.fromkeys(dagster_pipes.PipesContextData.__annotations__) | {"extras": {}}


@pytest.mark.parametrize("args", [(), ("--config", "/nowhere")])
def test_without_a_configuration_it_says_what_is_missing(args: tuple[str, ...]) -> None:
    done = run(*args)
    assert done.returncode == 1 and "--config" in done.stderr


def test_a_payload_waits_for_few_modules() -> None:
    code = "import sys, blut_resources.payload_kit.session; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert not {"typing", "dataclasses", "argparse", "dagster_pipes", "logging"} & set(done.stdout.split())


FILLS = """
from blut_resources.payload_kit.session import payload_session
with payload_session() as session:
    (session.work / "state").write_bytes(b"x" * 1_000_000)
"""


def test_a_full_disk_is_told_once_with_the_file_that_was_written(tmp_path: Path) -> None:
    """There is no room for the end of the messages either, and that is not worth a word."""
    with small(tmp_path / "small", "128k") as place:
        config, messages = freeze(place), place / "messages"
        messages.write_bytes(b"\n" * 3600)
        env = {
            "DAGSTER_PIPES_CONTEXT": dagster_pipes.encode_param({}),
            "DAGSTER_PIPES_MESSAGES": dagster_pipes.encode_param({"path": str(messages)}),
            CONFIG_ENV: str(config),
        }
        command = [sys.executable, "-c", FILLS]
        done = subprocess.run(
            command, env={**os.environ, **env}, cwd=REPOSITORY, capture_output=True, text=True
        )
        assert done.returncode == 1 and done.stderr.count("Traceback") == 1, done.stderr
        assert f"no room: the file system at {place} has 0 bytes of 128 KiB free, for" in done.stderr
        assert f"for {place}/work/state; make room" in done.stderr
