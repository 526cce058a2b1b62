"""Writes one asset of a run for Weights & Biases; the one module that knows its package."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_resources.runs.order import TrackedRun

OFFLINE = "offline-run-"
QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""Nothing is sent to anybody, and nothing printed, unless the user says otherwise."""
OWN = ("_step", "_timestamp", "_runtime", "_wandb")
"""Names of columns that wandb fills itself."""
SHARED = "WANDB_SERVICE"
"""Names a service that another process has started, which may stand still or end with it."""


class WandbTracker:
    """Writes one run of wandb, grouped by experiment, with the id ``<run id>-<asset>``.

    It is offline unless the user sets ``WANDB_MODE``; ``wandb sync`` uploads it later.
    """

    def __init__(self, order: TrackedRun, config: Mapping[str, Any], directory: Path, mode: str) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        os.environ.pop(SHARED, None)
        directory.mkdir(parents=True, exist_ok=True)
        import wandb  # pyright: ignore[reportMissingImports]

        how: Any = mode  # wandb refuses what it does not know
        self._run = wandb.init(
            project=order.project,
            id=f"{order.run_id}-{order.slug}",
            name=f"{order.asset} {order.run_id[:8]}",
            group=order.experiment,
            job_type=order.asset,
            config=dict(config),
            dir=str(directory),
            mode=how,
            reinit="create_new",
            settings=wandb.Settings(console="off", x_disable_stats=True, save_code=False, disable_git=True),
        )
        self._run.define_metric("*", step_metric="epoch")

    def log(self, row: Mapping[str, Any]) -> None:
        """Take a row; ``epoch`` is what it is plotted over, ``timestamp`` the payload's own, in seconds."""
        values = {f"metric{name}" if name in OWN else name: value for name, value in row.items()}
        self._run.log({**values, "_timestamp": values.pop("timestamp")})

    def finish(self, ok: bool) -> None:
        """End: nothing comes any more."""
        self._run.finish(exit_code=0 if ok else 1)


def offline_runs(directory: Path, order: TrackedRun) -> list[Path]:
    """Returns the offline runs that ``directory`` has of one asset of a run, the newest last."""
    return sorted((directory / "wandb").glob(f"{OFFLINE}*-{order.run_id}-{order.slug}"))


def epochs_in(offline: Path) -> int:
    """Returns how many rows an offline run holds that has its end; 0 where it has none.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not whole.
    """
    from wandb.proto import wandb_internal_pb2  # pyright: ignore[reportMissingImports]
    from wandb.sdk.internal.datastore import DataStore  # pyright: ignore[reportMissingImports]

    (file,) = offline.glob("*.wandb")
    store, rows, ended = DataStore(), 0, False
    store.open_for_scan(str(file))
    try:
        while data := store.scan_data():
            record = wandb_internal_pb2.Record()  # pyright: ignore[reportAttributeAccessIssue]
            record.ParseFromString(data)
            kind = record.WhichOneof("record_type")
            rows += kind == "history"
            ended = ended or kind == "exit"
    except AssertionError as error:
        raise ValueError(f"{file}: cut off: {error}") from None
    return rows if ended else 0
