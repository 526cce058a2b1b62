"""Writes runs into a store of MLflow, by the MLflow that somebody has in an environment of its own.

MLflow brings more than a dozen packages that nothing else here needs; so nothing of it is imported here.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from blut_assets.cli.exports import mlflow_script
from blut_assets.cli.exports.exported import ExportedRun, ExportFault
from blut_resources.text import one_line

INSTALL = "`uv tool install mlflow` or `pipx install mlflow`, with its bin on the PATH"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}


def write_mlflow(runs: Sequence[ExportedRun], uri: str) -> dict[str, str]:
    """Write runs into the store at ``uri``; returns the id that each has there, empty if it was there.

    A run is one of MLflow's, in the experiment of its recipe, with the args and the figures of its artifacts.
    Below it is a run for each asset with epochs. One that broke off is written anew.

    Args:
        uri: such as ``sqlite:///mlflow.db`` or ``http://localhost:5000``.

    Raises:
        ExportFault: there is no MLflow, or it refuses.
    """
    order = json.dumps({"uri": uri, "runs": [run.as_json() for run in runs]})
    done = subprocess.run(
        [python_of_mlflow(), "-P", mlflow_script.__file__],
        input=order,
        capture_output=True,
        text=True,
        env={**os.environ, **QUIET, "PYTHONPATH": ""},
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise ExportFault(f"-o {uri}: MLflow says: {one_line(said[0], 500)}")
    return json.loads(done.stdout.splitlines()[-1])


def python_of_mlflow() -> str:
    """Returns the Python that imports MLflow: that of the command `mlflow`, or this one.

    Raises:
        ExportFault: there is none.
    """
    command = shutil.which("mlflow")
    if command:
        # "#!/PYTHON", or where that is too long for the kernel "#!/bin/sh" and then "'''exec' /PYTHON"
        for line in Path(command).read_text(errors="replace").splitlines()[:2]:
            words = line.removeprefix("#!").removeprefix("'''exec'").split()
            if words and Path(words[0].strip('"')).name.startswith("python"):
                return words[0].strip('"')
    if importlib.util.find_spec("mlflow"):
        return sys.executable
    raise ExportFault(f"--as mlflow: there is no command `mlflow`: {INSTALL}")
