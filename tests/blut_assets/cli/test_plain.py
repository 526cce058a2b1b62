"""What a command writes on a terminal for whom a screen reader reads it, and for everybody else."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from blut_assets.cli import _words
from blut_assets.terminal.output import columns
from blut_resources.screen import CLEAR, PLAIN
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene

WHY = "a reason of many words, " * 10 + "and no more"


def on_terminal(scene: Scene, *words: str, **extra: str) -> tuple[int, str]:
    """Give a command on a terminal of 80 columns; its status, and what it wrote."""
    ours, theirs = pty.openpty()
    environment = {**scene.environment(TERM="xterm", COLUMNS="80", **extra)}
    environment.pop("CI", None)
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    process = subprocess.Popen([*BLUT, *words], cwd=REPOSITORY, env=environment, **streams)
    os.close(theirs)
    written = b""
    while True:
        try:
            written += os.read(ours, 65536)
        except OSError:  # the terminal's other side is closed
            break
    os.close(ours)
    return process.wait(), written.decode().replace("\r\n", "\n")


@pytest.mark.heavy
def test_plain_output_draws_nothing_anew_and_says_as_much(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "scene")
    scene.behave(epoch_s=0.4)
    run = ("recipe", "run", "contained", "--set", "epochs=3")
    status, plain = on_terminal(scene, *run, "--plain")
    assert status == 0 and not {"\x1b", "\r"} & {*plain}, plain
    assert "contained/trained: begins" in plain and "contained/trained: done after" in plain
    status, listed = on_terminal(scene, "--plain", "jobs")
    assert status == 0 and "\x1b" not in listed
    assert listed.splitlines()[0].startswith("id: ") and "    recipe: contained" in listed.splitlines()
    status, drawn = on_terminal(scene, "recipe", "run", "contained", "--set", "epochs=4")
    assert status == 0 and CLEAR in drawn and "contained/trained: begins" not in drawn
    status, help_text = on_terminal(scene, **{PLAIN: "1"})
    assert status == 2 and help_text.startswith("Usage: blut") and "\x1b" not in help_text
    status, refused = on_terminal(scene, "tui", "--plain")
    assert status == 1 and "`blut tui --check`" in refused and "\x1b" not in refused
    scene.close()


def test_plain_rows_are_facts_with_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": "3fa2c0de", "why": WHY, "state": ""}, {"id": "b", "why": None, "state": "ok"}]
    monkeypatch.setenv(PLAIN, "1")
    facts = ["id: 3fa2c0de", f"    why: {WHY}", "id: b", "    state: ok"]
    assert columns(rows).splitlines() == facts, "long ones are not wrapped"
    assert columns([{"": "kind", "value": "eeg"}]) == "kind: eeg"
    monkeypatch.setenv(PLAIN, "0")
    assert columns([{"": "kind", "value": "eeg"}]).split() == ["value", "kind", "eeg"]


def test_blut_alone_and_plain_is_its_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["blut", "--plain"])
    assert _words() == ["--plain", "--help"]
