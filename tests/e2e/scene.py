"""One instance with the chain of `tests.contained`, to be started, hurt, and looked at afterwards."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.stages import reuse
from blut_resources.alive import reap_dead_runs
from blut_resources.instance.instance import store_of
from blut_resources.leases.lease import Claim, holders, waiters
from blut_resources.machine.processes import start_time
from blut_resources.payload_kit.session import CONFIG_ENV
from blut_resources.payloads.messages import CONSUMED, MESSAGES
from blut_resources.payloads.orphans import NAME
from tests.aftermath import Row, note
from tests.conftest import REPOSITORY
from tests.databases import shipped
from tests.e2e.box import BLUT, DAGSTER
from tests.forked import RUN, Forked, server
from tests.installed import install

RUNNING = {dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING}
PROMISED_S = 15.0
PATIENCE_S = 180.0
"""A busy machine is no failure; what was promised is asserted on the time measured."""


def until(what: Callable[[], Any], seconds: float = PATIENCE_S, process: Any = None) -> Any:
    """What it gives as soon as that is true; fails if it never is, or if the process has ended."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert process is None or process.poll() is None, "the process ended before that"
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    return start_time(pid) is not None


class Scene:
    """An instance, a store, leases, and a file that says how trainings behave."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.log = root, root / "home", root / "log"
        self.pids_of, self.how = root / "pids", root / "how.json"
        for directory in (self.home, self.pids_of):
            directory.mkdir(parents=True)
        (self.home / "dagster.yaml").write_text(shipped())
        self.env = {
            "DAGSTER_HOME": str(self.home),
            "BLUT_PAYLOAD_ENV": "TRAINS",
            "BLUT_LEASES": str(root / "leases"),
            "BLUT_GRACE_S": "2",
            "TRAINS": str(self.how),
            "TRAINS_FOOTPRINT": "64M",
            "PYTHONPATH": os.pathsep.join([install(root / "site"), str(REPOSITORY)]),
        }
        self.started: list[Forked | subprocess.Popen[str]] = []
        self.behave()

    def close(self) -> None:
        """End what a failed test has left."""
        for process in self.started:
            process.kill()
            process.wait()
        for path in self.pids_of.iterdir():
            for pid in path.read_text().split():
                with suppress(OSError):  # a pid may be another's by now
                    if os.fsencode(self.how) in Path(f"/proc/{pid}/environ").read_bytes():
                        os.kill(int(pid), signal.SIGKILL)
        for path in Path("/proc").glob("[0-9]*"):  # who ends a job later would ask a day long
            with suppress(OSError):
                words = (path / "cmdline").read_bytes()
                if b"late_ending" in words and os.fsencode(self.home) in words:
                    os.kill(int(path.name), signal.SIGKILL)

    def behave(self, **how: Any) -> None:
        """Say how trainings behave from now on, and forget those before."""
        self.log.write_text("")
        for path in self.pids_of.iterdir():
            path.unlink()
        self.how.write_text(json.dumps({"log": str(self.log), "pids": str(self.pids_of), **how}))

    def environment(self, **extra: str) -> dict[str, str]:
        return {**os.environ, **self.env, **extra}

    def start(self, command: list[str], **extra: str) -> Forked:
        """A command in its own session; what it says is in ``said``."""
        said, environment = self.root / "said", self.environment(**extra)
        process = server(*RUN).start(command[1:], environment, REPOSITORY, said)
        self.started.append(process)
        return process

    def start_anew(self, command: list[str]) -> subprocess.Popen[str]:
        """The same from the first instruction of the interpreter on, as a terminal starts it."""

        # a job started in the background ignores SIGINT, and hands that down
        def background_no_more() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        with (self.root / "said").open("a") as said:
            process = subprocess.Popen(
                command,
                env=self.environment(),
                cwd=REPOSITORY,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=background_no_more,
            )
        self.started.append(process)
        return process

    def materialize(
        self,
        *names: str,
        epochs: int = 3,
        reuse: str = "auto",
        module: str = "tests.contained",
        **limits: Any,
    ) -> list[str]:
        """The command that makes these assets with Dagster's own command line."""
        names = names or ("raw", "trained", "judged")
        config = {"epochs": epochs, "reuse": reuse, "limits": limits}
        ops = {f"contained__{name}": {"config": config} for name in names if name in ("trained", "rival")}
        path = self.root / f"config-{len(list(self.root.glob('config-*')))}.json"
        path.write_text(json.dumps({"ops": ops}))
        select = " or ".join(f'key:"contained/{name}"' for name in names)
        where = ["-m", module, "--select", select, "--config", str(path)]
        return [*DAGSTER, "asset", "materialize", *where]

    def quick(self) -> list[str]:
        """The command that makes the chain with as little as possible around it."""
        return [sys.executable, "-m", "tests.contained_run"]

    def recipe(self, **args: Any) -> list[str]:
        """The command that does it with `blut`."""
        return [*BLUT, "recipe", "run", "contained", "--args", json.dumps(args)]

    def blut(self, *words: str) -> subprocess.CompletedProcess[str]:
        return server(*RUN).run([*BLUT[1:], *words], self.environment(), REPOSITORY)

    def said(self) -> str:
        return (self.root / "said").read_text()

    def run(self, command: list[str], **extra: str) -> int:
        return self.start(command, **extra).wait()

    def tree(self, name: str = "trained", process: Any = None) -> list[int]:
        """The processes of a payload, once it has started all of them."""
        path = self.pids_of / name
        until(path.exists, process=process)
        return [int(pid) for pid in path.read_text().split()]

    def owner(self, payload: int) -> int:
        """The process of the run that a payload belongs to."""
        environment = Path(f"/proc/{payload}/environ").read_bytes().decode().split("\0")
        (config,) = [word.partition("=")[2] for word in environment if word.startswith(CONFIG_ENV)]
        return json.loads(Path(config).with_name("spec.json").read_text())["owner"][0]

    def starts(self, name: str = "trained") -> int:
        return [line.split()[:2] for line in self.log.read_text().splitlines()].count(["start", name])

    def happened(self, what: str) -> bool:
        return any(line.startswith(what) for line in self.log.read_text().splitlines())

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", str(self.home))
            if "BLUT_STORE" in self.env:
                patch.setenv("BLUT_STORE", self.env["BLUT_STORE"])
            with dg.DagsterInstance.from_config(str(self.home)) as instance:
                yield instance

    def status(self, run_id: str = "") -> str:
        """Of the run, or the newest one, after what the next start or the reaper would do."""
        with self.instance() as instance:
            reap_dead_runs(instance)
            runs = [run for run in instance.get_runs() if run.run_id.startswith(run_id)]
            return runs[0].status.value

    def unfinished(self) -> list[str]:
        """Runs that are shown as running after the next start."""
        with self.instance() as instance:
            reap_dead_runs(instance)
            return [run.run_id for run in instance.get_runs() if run.status in RUNNING]

    def versions(self) -> dict[str, str]:
        """The newest data version of each asset of the chain."""
        found = {}
        with self.instance() as instance:
            for name in ("raw", "trained", "judged", "rival"):
                record = instance.get_latest_materialization_event(dg.AssetKey(["contained", name]))
                if record and record.asset_materialization:
                    found[name] = reuse.digest_of(record.asset_materialization)
        return found

    def metadata(self, name: str = "trained") -> dict[str, Any]:
        with self.instance() as instance:
            record = instance.get_latest_materialization_event(dg.AssetKey(["contained", name]))
            assert record and record.asset_materialization
            return {key: entry.value for key, entry in record.asset_materialization.metadata.items()}

    def epochs(self, name: str = "trained") -> list[int]:
        """Every epoch that was ever observed."""
        with self.instance() as instance:
            records = instance.fetch_observations(dg.AssetKey(["contained", name]), limit=1000).records
            seen = [record.asset_observation for record in records]
            return sorted(int(o.metadata["epoch"].value) for o in seen if o)  # type: ignore[arg-type]

    def heard(self) -> bool:
        """Whether the run is done with every event of its payload; killed before, the last comes twice."""
        (place,) = {path.parent for path in self.home.rglob(f"{NAME}/{MESSAGES}")}
        lines = (place / MESSAGES).read_text().splitlines()
        events = [n for n, line in enumerate(lines, 1) if "report_custom_message" in line]
        noted = place / CONSUMED
        return noted.exists() and noted.read_text() == str(events[-1])

    def held(self) -> list[str]:
        """The assets whose leases somebody holds."""
        return self._claims(holders)

    def waiting(self) -> list[str]:
        return self._claims(waiters)

    def _claims(self, which: Callable[[], list[Claim]]) -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BLUT_LEASES", self.env["BLUT_LEASES"])
            return [claim.holder["asset"] for claim in which()]

    def lost(self) -> int:
        """Artifacts of which the store or the event log know and whose bytes are not what they should be."""
        lost = 0
        with self.instance() as instance:
            store = store_of(instance)
            digests = {item.digest for item in store.list()} | set(self.versions().values())
            for digest in digests:
                try:
                    store.verify(digest, full=True)
                except Exception:
                    lost += 1
        return lost

    def verify(self) -> None:
        """The store and the databases are sound."""
        assert self.lost() == 0
        for path in self.home.rglob("*.db"):
            with sqlite3.connect(path) as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path

    def gone(self, tree: list[int], since: float) -> float:
        """Seconds from ``since`` until none of the processes was left."""
        until(lambda: not any(alive(pid) for pid in tree))
        return time.monotonic() - since

    def moment(self, what: str) -> float:
        """When a training first said that."""
        said = [line.split() for line in self.log.read_text().splitlines()]
        return next(float(words[2]) for words in said if words[0] == what)

    def record(
        self, fault: str, backend: str, tree: list[int], seconds: float | None = None, run_id: str = ""
    ) -> Row:
        """Look at what is left, and add a line to the table."""
        left = sum(alive(pid) for pid in tree)
        took = None if seconds is None else round(seconds, 1)
        return note(Row(fault, backend, self.status(run_id), left, self.lost(), took))
