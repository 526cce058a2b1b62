"""How far long work of a command is, on a terminal and elsewhere."""

import os
import pty
import sys
from pathlib import Path

import pytest

from blut_assets.terminal import longwork
from blut_assets.terminal.longwork import LongWork, shown, told_of
from blut_resources.files.digest import digest_path, heard_hashing
from blut_resources.machine.threads import at_once
from blut_resources.screen import CLEAR, PLAIN


def test_work_says_how_far_it_is_and_when_the_rest_should_be_done() -> None:
    work = LongWork("pulling")
    assert work.share() == ""
    work(1_000_000)
    assert work.share() == "1.0 MB", "of nobody knows how much"
    work(0, 4_000_000)
    assert work.share() == "1.0 MB of 4.0 MB  25 %"
    list(at_once(lambda n: work(n), [10_000] * 100, 4))
    said = work.line()
    assert said.startswith("pulling  ") and "  2.0 MB of 4.0 MB  50 %  ETA " in said
    runs = LongWork("removing", 2, lambda n: f"{n} runs")
    assert [*told_of("ab", runs)] == ["a", "b"] and runs.share().startswith("2 runs of 2 runs  100 %")


def test_all_that_is_hashed_is_heard_of_before_and_while_it_is_read(tmp_path: Path) -> None:
    for name, size in (("small", 1000), ("chunks", 1 << 20), ("big", (1 << 25) + 1)):
        (tmp_path / name).write_bytes(b"x" * size)
    whole, heard = 1000 + (1 << 20) + (1 << 25) + 1, list[tuple[int, int]]()
    with heard_hashing(lambda read, more: heard.append((read, more))):
        digest_path(tmp_path)
    digest_path(tmp_path)
    assert heard[0] == (0, whole) and sum(read for read, _ in heard) == whole and len(heard) > 5


@pytest.mark.parametrize(("plain", "between"), [("", CLEAR), ("1", "\n")], ids=["drawn anew", "plain"])
def test_on_a_terminal_the_line_is_shown_and_taken_away(
    monkeypatch: pytest.MonkeyPatch, plain: str, between: str
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(PLAIN, plain)
    monkeypatch.setattr(longwork, "REPAINT_S", 0.01)
    monkeypatch.setattr(longwork, "PLAIN_S", 0.01)
    ours, theirs = pty.openpty()
    kept = os.dup(2)
    os.dup2(theirs, 2)
    monkeypatch.setattr(sys, "stderr", os.fdopen(theirs, "w"))
    seen = b""
    try:
        with pytest.raises(KeyboardInterrupt), shown(lambda: "12 %"):
            while b"12 %" not in seen:
                seen += os.read(ours, 4096)
            raise KeyboardInterrupt
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    sys.stderr.close()
    seen += read_to_end(ours)
    text = seen.decode().replace("\r\n", "\n")
    assert between in text and (CLEAR in text) == (not plain)
    assert plain or text.endswith(CLEAR), "an interrupt leaves a clean line too"


def read_to_end(descriptor: int) -> bytes:
    """Read what is left to read of a terminal nobody has the other end of."""
    found = b""
    while True:
        try:
            found += os.read(descriptor, 4096)
        except OSError:
            os.close(descriptor)
            return found


def test_in_a_pipe_nothing_is_said_of_it(capfd: pytest.CaptureFixture[str]) -> None:
    with shown(lambda: "never"):
        pass
    assert capfd.readouterr() == ("", "")
