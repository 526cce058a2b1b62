"""What the shell is offered for a run, a dataset or a model: read from files, without Dagster or an error."""

import json
import os
import pty
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blut_assets.cli.shell import completion
from blut_assets.datasets import Dataset, Datasets
from blut_resources.store.artifacts import ArtifactStore
from tests.blut_resources.registry.test_versions import Bench
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.e2e.scene import until

RUNS = {"3fa2aaaa": "succeeded", "3fa2bbbb": "failed", "91c0cccc": None}
"""Id and outcome, the oldest first."""


@pytest.fixture
def known(home: Path, tmp_path: Path) -> Path:
    """An instance with runs, a dataset and a model with two versions, one of which has a name."""
    for age, (run_id, outcome) in enumerate(reversed(RUNS.items())):
        folder = home / "runs" / run_id
        folder.mkdir(parents=True)
        manifest = {"recipe": "make_jam", "job": "make_jam", "outcome": outcome}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        os.utime(folder, (time.time() - age, time.time() - age))
    Datasets(home).add(Dataset("talks", "examples", "/talks.jsonl", "d", 1, 10))
    bench = Bench(tmp_path, ArtifactStore(home / "store"))
    bench.register("one", kl=0.5), bench.register("two")
    bench.promote("next", 2)
    return home


def names(offers: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in offers]


@pytest.mark.usefixtures("known")
def test_what_fits_is_offered_with_a_word_about_it() -> None:
    assert completion.complete_run("3f") == [
        ("3fa2bbbb", "make_jam, failed"),
        ("3fa2aaaa", "make_jam, succeeded"),
    ]
    assert names(completion.complete_run("")) == ["91c0cccc", "3fa2bbbb", "3fa2aaaa"]
    assert completion.complete_working("") == [("91c0cccc", "make_jam")]
    assert completion.complete_unfinished("") == [("3fa2bbbb", "make_jam, failed")]
    assert completion.complete_dataset("t") == [("talks", "examples")]
    assert names(completion.complete_model("")) == ["mine"]
    assert completion.complete_alias("mine@") == [("mine@next", "version 2")]
    assert completion.complete_version("m") == [("mine@2", "passed"), ("mine@1", "failed")]
    assert names(completion.complete_reference("mine@n")) == ["mine@next"]
    assert names(completion.complete_model_or_reference("")) == ["mine", "mine@next", "mine@2", "mine@1"]


def test_what_is_not_there_or_broken_is_no_error(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (known / "runs" / "91c0cccc" / "manifest.json").write_text("{")
    (known / "datasets" / "broken.json").write_text("{")
    assert names(completion.complete_run("")) == ["3fa2bbbb", "3fa2aaaa"]
    assert names(completion.complete_dataset("")) == ["talks"]
    monkeypatch.setenv("DAGSTER_HOME", str(known / "nowhere"))
    for complete in (completion.complete_run, completion.complete_dataset, completion.complete_reference):
        assert complete("") == []


LINES = {
    **{f"blut {command} 91": ["91c0cccc"] for command in ("log", "cancel", "results", "runs diff 3fa2")},
    "blut plan resume ": ["3fa2bbbb"],
    **{f"blut data {command} t": ["talks"] for command in ("show", "rm", "check")},
    **{f"blut model {command} mine@2": ["mine@2"] for command in ("show", "resolve", "retire")},
    **{f"blut model {command} m": ["mine@next"] for command in ("promote", "rollback", "drop")},
    "blut model history m": ["mine"],
}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("line", LINES)
def test_each_command_completes_without_dagster(line: str) -> None:
    env = {"_BLUT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    code = (
        "import atexit, sys; from blut_assets.cli import main\n"
        "atexit.register(lambda: print('loaded' if 'dagster' in sys.modules else 'not'))\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [*LINES[line], "not"] and done.stderr == ""


TYPED = {
    "blut model show mine@n": ["model", "show", "mine@next"],
    "blut model promote mi": ["model", "promote", "mine@next"],
    "blut model retire mine@1": ["model", "retire", "mine@1"],
    "blut model resolve mine@next --pa": ["model", "resolve", "mine@next", "--path"],
    "blut model rollback mine@": ["model", "rollback", "mine@next"],
    "blut jobs --recipe=lamquant_j": ["jobs", "--recipe=lamquant_joint_codec"],
    "blut data show 'tal": ["data", "show", "talks"],
}
"""What is typed before a tab, and the words that the command then gets."""


@pytest.mark.slow
@pytest.mark.usefixtures("known")
def test_bash_completes_names_in_which_it_ends_words(tmp_path: Path) -> None:
    """Typed into a real bash, because what it makes of an offer depends on where it ends a word."""
    got = tmp_path / "got"
    complete = f"exec {shlex.quote(sys.executable)} -c 'from blut_assets.cli import main; main()' \"$@\""
    (tmp_path / "blut").write_text(
        f'#!/bin/sh\nif [ -n "$_BLUT_COMPLETE" ]; then {complete}; fi\n'
        f"printf '%s\\n' \"$@\" > {got}.new; mv {got}.new {got}\n"
    )
    (tmp_path / "blut").chmod(0o755)
    # not for the shell that runs this test, which may be another
    named = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    show = [*BLUT, "--show-completion", "bash"]
    script = subprocess.run(show, env=named, capture_output=True, text=True, check=True)
    (tmp_path / "script").write_text(script.stdout)
    ours, theirs = pty.openpty()
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY), "TERM": "dumb"},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        os.write(ours, f"source {tmp_path}/script\n".encode())
        for typed, words in TYPED.items():
            os.write(ours, f"{typed}\t\n".encode())
            assert until(got.exists, process=shell) and got.read_text().splitlines() == words, typed
            got.unlink()
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
