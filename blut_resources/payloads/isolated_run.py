"""Runs one isolated payload outside of Dagster, for whoever only wants to know what comes out."""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_resources.containment import Limits, launch
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.payload_kit.session import CONFIG_ENV
from blut_resources.payloads.files import START, PayloadFiles
from blut_resources.payloads.isolated import FLAGS, clean_environment, let, search_path

SHOWN = 2000


class IsolatedFailed(Exception):
    """Says that an isolated payload did not reach its end, and what it printed last."""


def run_isolated(
    module: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, Path],
    out: Path,
    isolation: Isolation,
) -> str:
    """Run a payload module to its end; returns what kept it from the rest of the machine.

    Raises:
        IsolatedFailed: it ended otherwise than with ``done``.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="blut-isolated-") as directory:
        place = Path(directory)
        for name in ("work", "inputs"):
            (place / name).mkdir()
        for name in ("messages", "config.json"):
            (place / name).touch()
        frozen = {
            **{"schema": 1, "fingerprint": "", "config": dict(config), "out": str(out.resolve())},
            **{"inputs": {name: str(path.resolve()) for name, path in inputs.items()}},
            "work": str(place / "work"),
        }
        (place / "config.json").write_text(json.dumps(frozen))
        files = PayloadFiles()
        told = files.told(module, search_path(files.source(module), place))
        (place / "code.json").write_text(told)
        allowed = let(isolation, place, out, inputs.values())
        with launch(
            [sys.executable, *FLAGS, START, str(place / "code.json"), module],
            env=clean_environment(place / "work", {CONFIG_ENV: str(place / "config.json")}),
            cwd=place / "work",
            limits=Limits(mode="best-effort"),
            place=place / "unit",
            name=module.rpartition(".")[2],
            isolation=allowed.as_spec(),
        ) as unit:
            outcome = unit.wait()
            held, said = unit.enforcement.isolation, (place / "unit" / "log").read_text(errors="replace")
    if not outcome.ok or not _is_done(said):
        raise IsolatedFailed(f"{module}: {outcome.describe()}\n{said[-SHOWN:]}".rstrip())
    return held


def _is_done(said: str) -> bool:
    try:
        return json.loads(said.rstrip().rpartition("\n")[2])["event"] == "done"
    except (ValueError, TypeError, KeyError):
        return False
