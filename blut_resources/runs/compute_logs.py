"""Shows what a run prints in its files for the UI and on the terminal; named in ``dagster.yaml``.

Dagster starts `tail` for each of the two streams, and a Python process for each `tail` to end it if the run
dies; what was printed in the last moment may not reach the terminal. A thread does the same for less.
"""

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._utils import ensure_file, touch_file

from blut_resources.text import Output

CLEAR = "\r\x1b[K"
POLL_S = 0.05
"""Seconds that a line may take from the file to the terminal."""


class LocalLogs(LocalComputeLogManager):
    """Keeps files below ``storage`` of the instance directory, where Dagster's own would be."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LocalLogs":
        directory = Path(config_value["base_dir"], "storage")
        return cls(**{**config_value, "base_dir": str(directory)}, inst_data=inst_data)

    @contextlib.contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Write standard output and error to files, and from there to where they went before."""
        paths = {
            kind: self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind])
            for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        }
        with (
            mirrored(sys.stdout, paths[ComputeIOType.STDOUT]),
            mirrored(sys.stderr, paths[ComputeIOType.STDERR]),
        ):
            yield CapturedLogContext(log_key)
        touch_file(self.complete_artifact_path(log_key))


@contextlib.contextmanager
def mirrored(stream: IO[str], path: str) -> Iterator[None]:
    """Append to a file what this process and its children print, and show it where it went before.

    A stream without a descriptor, as under a test runner, is left alone.
    """
    ensure_file(path)
    try:
        descriptor = stream.fileno()
    except (AttributeError, io.UnsupportedOperation):
        yield
        return
    ended = threading.Event()
    with Path(path).open("rb") as written, os.fdopen(os.dup(descriptor), "wb", buffering=0) as shown:
        written.seek(0, os.SEEK_END)
        copy = threading.Thread(target=_copy, args=(written, shown, ended), name="blut-mirror", daemon=True)
        copy.start()
        try:
            with redirect_to_file(stream, path):
                yield
        finally:
            ended.set()
            copy.join()


def _copy(written: IO[bytes], shown: IO[bytes], ended: threading.Event) -> None:
    # on a terminal, a line that says how far a run is may stand where the next one begins
    clear, begins, harmless = CLEAR.encode() if shown.isatty() else b"", True, Output()
    while True:
        last = ended.wait(POLL_S)  # asked before the file is read: nothing comes after that
        while chunk := written.read(1 << 16):
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
