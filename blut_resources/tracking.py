"""Experiment trackers: the metrics of a training, also where a team looks at them. None unless asked for."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

LOGGER = "BLUT_LOGGER"
LOGGERS = ("none", "wandb")
QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""Nothing is sent to anybody, and nothing printed, unless the user says otherwise."""


class TrackerUnavailable(ValueError):
    """A tracker was asked for that there is not; the message names the setting, the value and the remedy."""


class Tracker(Protocol):
    """Where the rows of one asset of a run go."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Take a row; ``epoch`` is what it is plotted over."""
        ...

    def finish(self, ok: bool) -> None:
        """Nothing comes any more."""
        ...


class NoTracker:
    """Nobody asked."""

    def log(self, row: Mapping[str, Any]) -> None: ...

    def finish(self, ok: bool) -> None: ...


def chosen_logger(said: str = "auto") -> str:
    """What a config says; ``auto`` is what ``$BLUT_LOGGER`` says, else ``none``.

    Raises:
        TrackerUnavailable: no such tracker is known, or its package is not installed.
    """
    asked = os.environ.get(LOGGER) or "none"
    name, where = (said, "logger") if said != "auto" else (asked, f"${LOGGER}")
    if name not in LOGGERS:
        raise TrackerUnavailable(f"{where} = {name!r}: must be one of {', '.join(LOGGERS)}")
    if name != "none" and importlib.util.find_spec(name) is None:
        raise TrackerUnavailable(
            f"{where} = {name!r}: the package {name} is not installed; `pip install 'blut[observability]'`,"
            " or set none"
        )
    return name


def open_tracker(
    logger: str, directory: Path, *, run_id: str, asset: str, experiment: str, config: Mapping[str, Any]
) -> Tracker:
    """A tracker for one asset of a run, which keeps its files in ``directory``."""
    if logger == "none":
        return NoTracker()
    return WandbTracker(directory, run_id, asset, experiment, config)


class WandbTracker:
    """Weights & Biases: offline unless the user sets ``WANDB_MODE``; ``wandb sync`` uploads it later.

    One run of wandb for each asset, grouped by experiment, with the id ``<run id>-<asset>``.
    """

    def __init__(
        self, directory: Path, run_id: str, asset: str, experiment: str, config: Mapping[str, Any]
    ) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        directory.mkdir(parents=True, exist_ok=True)
        import wandb  # pyright: ignore[reportMissingImports]

        slug = asset.replace("/", "-")
        mode: Any = os.environ.get("WANDB_MODE") or "offline"  # wandb refuses what it does not know
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "blut",
            id=f"{run_id}-{slug}",
            name=f"{asset} {run_id[:8]}",
            group=experiment,
            job_type=asset,
            config=dict(config),
            dir=str(directory),
            mode=mode,
            reinit="create_new",
            settings=wandb.Settings(console="off", x_disable_stats=True, save_code=False, disable_git=True),
        )
        self._run.define_metric("*", step_metric="epoch")

    def log(self, row: Mapping[str, Any]) -> None:
        self._run.log(dict(row))

    def finish(self, ok: bool) -> None:
        self._run.finish(exit_code=0 if ok else 1)
