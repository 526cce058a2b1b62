"""Somebody who uses `blut` from shells, with an instance of their own; does not import Dagster itself."""

import json
import os
import pwd
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blut_resources.machine.processes import start_time
from tests.aftermath import Row, note
from tests.conftest import REPOSITORY
from tests.forked import RUN, Forked, Server
from tests.installed import install
from tests.owners import Who, within

PATIENCE_S = 400
"""To import Dagster takes half a minute here, on a busy machine some minutes; the boot has a limit anyway."""
BLUT = [sys.executable, "-c", "from blut_assets.cli import main; main()"]


class Person:
    """Runs the recipe of `tests.contained`; its training behaves as a file says."""

    def __init__(self, who: Who, root: Path) -> None:
        self.who, self.root, self.home = who, root, root / "home"
        for name in ("home", "pids", "leases"):
            (root / name).mkdir()
        shutil.copy(REPOSITORY / ".dagster" / "dagster.yaml", self.home)
        self.account = pwd.getpwnam(who.user)
        ids = {"user": self.account.pw_uid, "group": self.account.pw_gid}
        self._server = Server(*RUN, **ids, extra_groups=[])
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": str(root),
            "DAGSTER_HOME": str(self.home),
            "BLUT_PAYLOAD_ENV": "TRAINS",
            "BLUT_LEASES": str(root / "leases"),
            "BLUT_GRACE_S": "2",
            "TRAINS": str(root / "how.json"),
            "PYTHONPATH": os.pathsep.join([install(root / "site"), str(REPOSITORY)]),
        }
        self.behave()
        for path in (root.parent, root, *root.rglob("*")):
            path.chmod(path.stat().st_mode | 0o055)
        for path in (root, *root.rglob("*")):
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def behave(self, **how: Any) -> None:
        """Say how trainings behave from now on, and forget those before."""
        for path in (self.root / "pids").iterdir():
            path.unlink()
        for name in ("log", "said"):
            (self.root / name).write_text("")
            os.chown(self.root / name, self.account.pw_uid, -1)
        place = {"log": str(self.root / "log"), "pids": str(self.root / "pids")}
        (self.root / "how.json").write_text(json.dumps({**place, **how}))

    def blut(self, *words: str) -> Forked:
        """The command in a session of its own."""
        return self._server.start([*BLUT[1:], *words], self.env, self.root, self.root / "said")

    def run(self, args: dict[str, Any]) -> Forked:
        return self.blut("recipe", "run", "contained", "--args", json.dumps(args))

    def said(self) -> str:
        return (self.root / "said").read_text()

    def happened(self, what: str) -> bool:
        return any(line.startswith(what) for line in (self.root / "log").read_text().splitlines())

    def tree(self) -> list[int]:
        """The processes of the training, once it has started all of them."""
        path = self.root / "pids" / "trained"
        within(PATIENCE_S, path.exists)
        return [int(pid) for pid in path.read_text().split()]

    def alive(self) -> list[int]:
        return [pid for pid in self.tree() if start_time(pid) is not None]

    def run_id(self) -> str:
        """Of the run that is under way."""
        (path,) = [path for path in (self.home / "alive").iterdir() if path.is_file() and path.name[0] != "."]
        return path.name

    def units(self) -> list[str]:
        """Of this person's, as `systemctl` lists them; those that have failed too."""
        listed = self.who.systemctl("list-units", "--all", "--no-legend", "--plain", "blut-*")
        return [line.split()[0] for line in listed.splitlines()]

    def failures(self) -> Iterator[str]:
        """What the event log has of failed steps."""
        for path in (self.home / "history" / "runs").glob("*-*.db"):
            with sqlite3.connect(path) as database:
                query = "SELECT event FROM event_logs WHERE dagster_event_type = 'STEP_FAILURE'"
                yield from (event for (event,) in database.execute(query))

    def assert_nothing_is_left(self, fault: str, outcome: str, seconds: float | None) -> None:
        """Of the tree and its unit; notes a row."""
        within(PATIENCE_S, lambda: not self.units())
        left = self.alive()
        took = None if seconds is None else round(seconds, 1)
        note(Row(f"{fault}, blut", f"systemd, {self.who.name}", outcome, len(left), None, took))
        assert not left

    def cancel(self) -> float:
        """From another shell; seconds from the moment that the training hears of it until nothing is left.

        Not from the command's start: here that can take long.
        """
        command = self.blut("cancel", self.run_id()[:8])
        within(PATIENCE_S, lambda: not self.alive())
        over, log = time.monotonic(), (self.root / "log").read_text()
        assert command.wait() == 0, self.said()
        return over - next(float(line.split()[2]) for line in log.splitlines() if line.startswith("stopped"))
