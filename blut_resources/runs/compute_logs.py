"""Shows what a run prints in its files for the UI and on the terminal.

Dagster starts `tail` for each of the two streams, and a Python process for each `tail` to end it if the run
dies; what was printed in the last moment may not reach the terminal. A thread does the same for less.
"""

import contextlib
import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from blut_resources.dagster_private.compute_logs import CapturedFiles, redirected
from blut_resources.machine.flag import Flag
from blut_resources.screen import CLEAR, redraws
from blut_resources.text import Output

POLL_S, IDLE_S = 0.05, 0.5
"""Seconds that a line may take from the file to the terminal: after another one, and after a long silence."""


class MirroredLogs(CapturedFiles):
    """Keeps the files where Dagster's own manager of compute logs would."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "MirroredLogs":
        return cls(**config_value, inst_data=inst_data)

    def captured(self, stream: IO[str], path: Path) -> contextlib.AbstractContextManager[None]:
        """Write what is printed to a file, and from there to where it went before."""
        return mirrored(stream, path)


class LocalLogs(MirroredLogs):
    """Keeps the same for older homes, whose ``dagster.yaml`` names it with a directory of their own."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LocalLogs":
        directory = Path(config_value["base_dir"], "storage")
        return cls(**{**config_value, "base_dir": str(directory)}, inst_data=inst_data)


@contextlib.contextmanager
def mirrored(stream: IO[str], path: Path) -> Iterator[None]:
    """Append to a file what this process and its children print, and show it where it went before.

    A stream without a descriptor, as under a test runner, is left alone.
    """
    try:
        descriptor = stream.fileno()
    except (AttributeError, io.UnsupportedOperation):
        yield
        return
    ended = Flag()
    with path.open("rb") as written, os.fdopen(os.dup(descriptor), "wb", buffering=0) as shown:
        written.seek(0, os.SEEK_END)
        copy = threading.Thread(target=_copy, args=(written, shown, ended), name="blut-mirror", daemon=True)
        copy.start()
        try:
            with redirected(stream, path):
                yield
        finally:
            ended.set()
            copy.join()


def _copy(written: IO[bytes], shown: IO[bytes], ended: Flag) -> None:
    # on a terminal, a line that says how far a run is may stand where the next one begins
    clear, begins, harmless = CLEAR.encode() if redraws(shown) else b"", True, Output()
    pause = POLL_S
    while True:
        last = ended.wait(pause)  # asked before the file is read: nothing comes after that
        pause = min(1.1 * pause, IDLE_S)
        while chunk := written.read(1 << 16):
            pause = POLL_S
            with contextlib.suppress(OSError):  # nobody may be there to read it any more
                _write(shown, (clear if begins else b"") + harmless(chunk))
            begins = chunk.endswith(b"\n")
        if last:
            return


def _write(shown: IO[bytes], chunk: bytes) -> None:
    while chunk:
        written = shown.write(chunk)
        if written is None:  # it does not block, and is full
            time.sleep(POLL_S)
        chunk = chunk[written or 0 :]
