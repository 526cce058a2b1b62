"""The tools that Blut is compared with, in an environment of their own, apart from that of Dagster."""

import os
import subprocess
import sys

from bench.homes import CACHE

PEERS = ("dvc==3.67.1", "snakemake==9.27.0")


def on_path() -> str:
    """Put the programs of the peers on PATH, installed at the first use; returns why that failed, if so."""
    place, wanted = CACHE / "peers", "\n".join([sys.version, *PEERS])
    ready, programs = place / ".ready", place / "bin"
    if not ready.exists() or ready.read_text() != wanted:
        pip = [programs / "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
        for command in ([sys.executable, "-m", "venv", "--clear", place], pip):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                return f"{' '.join(PEERS)} cannot be installed: {done.stderr.strip().splitlines()[-1]}"
        ready.write_text(wanted)
    os.environ["PATH"] = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    return ""
