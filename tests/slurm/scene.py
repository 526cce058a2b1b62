"""One instance whose payloads are jobs of the tests' Slurm; its commands are on the PATH, and are counted."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

from blut_resources.payloads.messages import CONSUMED, MESSAGES
from tests.e2e.scene import Scene
from tests.slurm.cluster import Cluster

EPOCHS = 5
COMMANDS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol")


class SlurmScene(Scene):
    """A scene with a profile ``cluster`` in its file of launchers."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        super().__init__(root)
        self.cluster, self.asked, self.launchers = cluster, root / "asked", root / "launchers.toml"
        self.asked.touch()
        self.bin = root / "bin"
        self.bin.mkdir()
        for name in COMMANDS:
            self.put_command(name)
        self.profile()
        self.env |= {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "BLUT_LAUNCHERS": str(self.launchers),
        }

    def put_command(self, name: str, before: str = "") -> None:
        """Put a command of Slurm on the PATH, with lines of shell that are run first."""
        words = shlex.join(self.cluster.command([f"/usr/bin/{name}"]))
        conf = self.cluster.dir / "etc/slurm.conf"
        lines = ["#!/bin/sh", f'echo "{name} $*" >>{self.asked}', before, f"export SLURM_CONF={conf}"]
        path = self.bin / name
        path.write_text("\n".join([*lines, f'exec {words} "$@"', ""]))
        path.chmod(0o755)

    def profile(self, **keys: Any) -> None:
        """Write the profile, with these keys besides."""
        said = {"kind": "slurm", "partition": "debug", **keys}
        values = {k: v if isinstance(v, int) else repr(v).replace("'", '"') for k, v in said.items()}
        self.launchers.write_text("[cluster]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()))
        self.launchers.chmod(0o600)

    def job(self, **args: Any) -> list[str]:
        """The command that makes the chain as jobs."""
        return self.recipe(launcher="cluster", **args)

    def submitted(self) -> int:
        """How often sbatch was asked."""
        return len(self.asked_of("sbatch"))

    def place(self) -> Path:
        """The only place of a payload that is a job."""
        (found,) = self.home.rglob("job.json")
        return found.parent

    def job_id(self) -> str:
        """The id of the only job."""
        return str(json.loads((self.place() / "job.json").read_text())["job"])

    def asked_of(self, command: str) -> list[str]:
        """What a command of Slurm was asked, each time."""
        return [line for line in self.asked.read_text().splitlines() if line.split(" ", 1)[0] == command]

    def heard(self) -> bool:
        """Whether the run is done with every event that the first start of its job has said."""
        said = self.place() / "attempt.0" / MESSAGES
        lines = said.read_text().splitlines() if said.exists() else []
        events = [n for n, line in enumerate(lines, 1) if "report_custom_message" in line]
        noted = self.place() / CONSUMED
        return bool(events) and noted.exists() and noted.read_text() == str(events[-1])
