"""A web server and a daemon from an environment that has no Blut, beside a code server that has."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.e2e.ui import Ui

PATIENCE_S = 180
LOADED = "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }"


def python_without_blut() -> tuple[str, dict[str, str]]:
    """The interpreter below this environment, and what lets it import all packages but the editable ones.

    Files called ``*.pth`` are read in an environment's own directory only.
    """
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(base), {"PYTHONPATH": sysconfig.get_path("purelib")}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Hosts:
    """The processes of a deployment on one instance."""

    def __init__(self, root: Path, home: Path, environment: Mapping[str, str]) -> None:
        """Start nothing yet.

        Args:
            root: a directory for ``workspace.yaml`` and what the processes say.
            environment: of the code server, besides the usual.
        """
        self.root, self.home = root, home
        self.usual = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self.usual |= {"HOME": str(root), "DAGSTER_HOME": str(home)}
        self.code = {**self.usual, "PYTHONPATH": str(REPOSITORY), **environment}
        self.started: list[subprocess.Popen[bytes]] = []

    def serve_code(self, location: str) -> None:
        """Serve the definitions of Blut, as a container of theirs does."""
        port = free_port()
        where = ["-h", "127.0.0.1", "-p", str(port)]
        words = ["-m", "dagster", "api", "grpc", "-m", "blut_assets.definitions", *where]
        self._start("code", [sys.executable, *words], self.code)
        (self.root / "workspace.yaml").write_text(
            f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: {location}}}\n"
        )

    def serve_ui(self) -> Ui:
        """Serve the UI without Blut; returns it when the location is loaded."""
        port = free_port()
        words = ["-m", "dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
        process = self._host("webserver", words)
        ui, deadline = Ui(port, process), time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert process.poll() is None, self.said("webserver")
            with suppress(OSError):
                if ui.ask(LOADED)["repositoriesOrError"].get("nodes"):
                    return ui
                ui.ask("mutation { reloadWorkspace { __typename } }")
            time.sleep(0.3)
        raise AssertionError(self.said("code") + self.said("webserver"))

    def run_daemon(self) -> None:
        """Run the daemon without Blut."""
        self._host("daemon", ["-m", "dagster._daemon", "run", "-w", "workspace.yaml"])

    def said(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text()[-3000:]

    def _host(self, name: str, words: list[str]) -> "subprocess.Popen[bytes]":
        python, environment = python_without_blut()
        return self._start(name, [python, *words], {**self.usual, **environment})

    def _start(self, name: str, command: list[str], env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        with (self.root / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=env, cwd=self.root, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(process)
        return process

    def close(self) -> None:
        """End all of them."""
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def hosts(root: Path, home: Path, **environment: str) -> Iterator[Hosts]:
    """The processes, which are ended with the block."""
    made = Hosts(root, home, environment)
    try:
        yield made
    finally:
        made.close()
