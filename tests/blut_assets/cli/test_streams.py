"""What becomes of a command whose words cannot be written, or whose working directory is not there."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from blut_resources.files.here import here
from blut_resources.instance.home import find_home
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene, until

SPEAKS = """
import sys
from blut_assets.cli.shell import terminal
terminal.use()
try:
    {first}
    print("word " * {words})
    print("beside the point", file=sys.stderr)
    open({mark!r}, "w").close()
    sys.exit({status})
except SystemExit as end:
    sys.exit(terminal.finish(end.code))
"""
NOBODY = ">&PIPE"
WORDS = "blut: standard output could not be written"


def in_shell(words: list[str], where: str, **how: object) -> subprocess.CompletedProcess[str]:
    """Give a command with its streams as a shell redirects them; what of standard error comes through."""
    nobody, pipe = os.pipe()
    os.close(nobody)
    call = ["bash", "-c", f'"$0" "$@" {where.replace("PIPE", str(pipe))}', *words]
    done = subprocess.run(call, capture_output=True, text=True, pass_fds=[pipe], **how)  # type: ignore[call-overload]
    os.close(pipe)
    assert "Traceback" not in done.stderr and "ignored" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("words", [1, 10_000])
@pytest.mark.parametrize(
    ("where", "why"),
    [
        (">/dev/full", "No space left on device"),
        (">&-", "it is closed"),
        (NOBODY, ""),
        (">/dev/full 2>/dev/full", ""),
        (">&- 2>&- <&-", ""),
    ],
)
def test_the_status_is_that_of_what_was_run_and_of_other_commands_that_their_words_are_lost(
    tmp_path: Path, where: str, why: str, words: int
) -> None:
    def speak(first: str, status: int) -> tuple[int, str]:
        code = SPEAKS.format(first=first, words=words, mark=str(tmp_path / first), status=status)
        done = in_shell([sys.executable, "-c", code], where, cwd=REPOSITORY)
        return done.returncode, done.stderr.replace("beside the point\n", "")

    assert speak("pass", 0) == (1, f"{WORDS}: {why}\n" if why else "")
    for status in (0, 1, 130):
        told = f"{WORDS}: {why}; the log has it\n" if why else ""
        assert speak("terminal.keep_on('the log has it')", status) == (status, told)
    assert (tmp_path / "terminal.keep_on('the log has it')").exists()


def test_a_training_goes_on_without_streams_and_without_its_working_directory(tmp_path: Path) -> None:
    scene, place = Scene(tmp_path / "scene"), tmp_path / "place"
    place.mkdir()
    scene.behave(epoch_s=0.4)
    env = scene.environment()
    blut = shlex.join(BLUT)
    call = f"cd {place}; exec {blut} recipe run contained --set epochs=6 <&- >&- 2>&-"
    running = subprocess.Popen(["bash", "-c", call], env=env)
    until(lambda: scene.happened("start"), process=running)
    place.rmdir()
    assert running.wait() == 0 and scene.status() == "SUCCESS"
    assert in_shell([*BLUT, "jobs"], NOBODY, env=env).returncode == 1
    nowhere = subprocess.run(
        ["bash", "-c", f"mkdir {place}; cd {place}; rmdir {place}; exec {blut} recipe run contained"],
        env=env, capture_output=True, text=True,
    )  # fmt: skip
    said = "blut: the working directory is gone (No such file or directory): cd to one that is there\n"
    assert (nowhere.returncode, nowhere.stderr, nowhere.stdout) == (1, said, "")
    scene.close()


def test_a_removed_working_directory_is_still_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    assert here() == place
    place.rmdir()
    assert here() == place
    monkeypatch.chdir(tmp_path)
    assert here() == tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_directory_that_cannot_be_read_holds_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    monkeypatch.chdir(closed)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/nobody")
    os.seteuid(65534)
    try:
        assert find_home(closed) == Path("/nobody/blut/dagster")
    finally:
        os.seteuid(0)
