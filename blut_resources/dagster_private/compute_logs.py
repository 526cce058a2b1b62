"""Writes the files in which Dagster keeps what the steps of a run print."""

import contextlib
import os
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager

from blut_resources.files.full import is_full


class CapturedFiles(LocalComputeLogManager):
    """Keeps Dagster's local files of standard output and error, each written within `captured`.

    Dagster's own starts `tail` for each of the two, and a Python process for each `tail`. Its base class is
    not public, and a deployment can name another class in ``dagster.yaml`` but has none to derive it from.
    When it changes, look at ``capture_logs`` of ``LocalComputeLogManager``.
    """

    @contextlib.contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Write down what is printed inside the block; afterwards the capture counts as complete."""
        with contextlib.ExitStack() as held:
            for kind, stream in ((ComputeIOType.STDOUT, sys.stdout), (ComputeIOType.STDERR, sys.stderr)):
                path = Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind]))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                held.enter_context(self.captured(stream, path))
            yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()

    def captured(self, stream: IO[str], path: Path) -> contextlib.AbstractContextManager[None]:
        """Append to a file what is printed to a stream inside the block."""
        return redirected(stream, path)


@contextlib.contextmanager
def redirected(stream: IO[str], path: Path) -> Generator[None, None, None]:
    """Append to a file what this process and its children write to the descriptor of a stream.

    It is Dagster's own, so that output is captured as Dagster does it. When it changes, look at
    ``redirect_to_file`` in ``dagster._core.execution.compute_logs``. On a full disk it does not undo the
    redirection, so that nothing would be seen any more; what was printed last is lost then, and no more.
    """
    raised: BaseException | None = None
    with os.fdopen(os.dup(stream.fileno()), "wb") as before:
        try:
            with redirect_to_file(stream, str(path)):
                try:
                    yield
                except BaseException as error:
                    raised = error
                    raise
        except OSError as error:
            if error is raised or not is_full(error):
                raise
        finally:
            os.dup2(before.fileno(), stream.fileno())
    if raised is not None:
        raise raised
