"""Reports the metrics of a training to experiment trackers, where a team looks.

None is used unless asked for.
"""

import importlib.util
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from blut_resources.files.durable import remove_tree
from blut_resources.runs import manifest, status
from blut_resources.runs.files import manifest_path, run_dir, status_path
from blut_resources.settings import origin, settings

LOGGER = "BLUT_LOGGER"
LOGGERS = ("none", "wandb")
OFFLINE = "offline-run-"
QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""Nothing is sent to anybody, and nothing printed, unless the user says otherwise."""


class TrackerUnavailable(ValueError):
    """Says that a tracker was asked for that there is not; the message names setting, value and remedy."""


class Tracker(Protocol):
    """Takes the rows of one asset of a run."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Take a row; ``epoch`` is what it is plotted over."""
        ...

    def finish(self, ok: bool) -> None:
        """End: nothing comes any more."""
        ...


class NoTracker:
    """Ignores every row, for nobody asked."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Ignore a row."""
        ...

    def finish(self, ok: bool) -> None:
        """Do nothing."""
        ...


def chosen_logger(said: str = "auto") -> str:
    """Returns what a config says; ``auto`` is what ``$BLUT_LOGGER`` says, else ``none``.

    Raises:
        TrackerUnavailable: no such tracker is known, or its package is not installed.
    """
    asked = settings().get(LOGGER) or "none"
    name, where = (said, "logger") if said != "auto" else (asked, origin(LOGGER))
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
    """Returns a tracker for one asset of a run, which keeps its files in ``directory``."""
    if logger == "none":
        return NoTracker()
    return WandbTracker(directory, run_id, asset, experiment, config)


class WandbTracker:
    """Writes for Weights & Biases: offline unless the user sets ``WANDB_MODE``;
    ``wandb sync`` uploads it later.

    One run of wandb for each asset, grouped by experiment, with the id ``<run id>-<asset>``.
    """

    def __init__(
        self,
        directory: Path,
        run_id: str,
        asset: str,
        experiment: str,
        config: Mapping[str, Any],
        said_mode: str = "",
    ) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        directory.mkdir(parents=True, exist_ok=True)
        import wandb  # pyright: ignore[reportMissingImports]

        slug = asset.replace("/", "-")
        mode: Any = (
            said_mode or settings().get("WANDB_MODE") or "offline"
        )  # wandb refuses what it does not know
        self._run = wandb.init(
            project=settings().get("WANDB_PROJECT") or "blut",
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


def tell_again(home: Path, run_id: str) -> None:
    """Give the offline runs that a killed run left what its own stream of events has.

    Weights & Biases writes its file when it is told of the end: of a killed run there is next to nothing.
    """
    directory = run_dir(home, run_id)
    left = sorted((directory / "wandb").glob(f"{OFFLINE}*-{run_id}-*"))
    if not left or importlib.util.find_spec("wandb") is None:
        return
    known = manifest.read(manifest_path(home, run_id))
    events = list(status.read(status_path(home, run_id)))
    for asset in dict.fromkeys(event["asset"] for event in events if event["kind"] == "epoch"):
        slug = f"-{run_id}-{asset.replace('/', '-')}"
        with tempfile.TemporaryDirectory(dir=directory, prefix=".wandb-") as anew:
            config = known["assets"].get(asset, {}).get("config", {})
            config = {**config, "intent": known["intent"]}
            tracker = WandbTracker(Path(anew), run_id, asset, known["experiment"], config, "offline")
            for event in events:
                if event["kind"] == "epoch" and event["asset"] == asset:
                    index = {name: event.get(name) for name in ("epoch", "step", "phase")}
                    tracker.log({**event["metrics"], **index, "_timestamp": event["t"]})
            tracker.finish(ok=False)
            for whole in Path(anew).glob(f"wandb/{OFFLINE}*{slug}"):
                for old in (path for path in left if path.name.endswith(slug)):
                    remove_tree(old)
                whole.rename(directory / "wandb" / whole.name)
