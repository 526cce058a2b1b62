"""Says where a run leaves what: everything of it lies in ``runs/<run id>`` of the instance directory.

::

    manifest.json                        what ran, of what, and how it ended
    status.jsonl                         events; a full file becomes status.1.jsonl, status.2.jsonl
    metrics/<cookbook>__<asset>.parquet  one row an epoch; .csv where that was asked for
    terminal.log                         what a detached run said on its standard output and error
    .lived                               until when its process lived, as long as it has no end
    unsaid.txt                           why it ended, where its database could not be told
    cancel.json                          that it is to end, where no signal reaches it; how long it gets
    tracker-<asset>.log                  what a tracker that failed has printed
    wandb/                               an offline run of Weights & Biases, where that was asked for

Neither Dagster nor the collection of unused artifacts touches that directory.
"""

from pathlib import Path

RUNS, MANIFEST, STATUS, METRICS = "runs", "manifest.json", "status.jsonl", "metrics"
TABLES = (".parquet", ".csv")
"""Endings of a table of metrics."""


def run_dir(home: Path, run_id: str) -> Path:
    """Returns the directory of a run of the instance in ``home``; it may not be there."""
    return Path(home) / RUNS / run_id


def manifest_path(home: Path, run_id: str) -> Path:
    """Returns its manifest."""
    return run_dir(home, run_id) / MANIFEST


def status_path(home: Path, run_id: str) -> Path:
    """Returns its newest events."""
    return run_dir(home, run_id) / STATUS


def terminal_path(home: Path, run_id: str) -> Path:
    """Returns what a run without a terminal has said."""
    return run_dir(home, run_id) / "terminal.log"


def metrics_path(home: Path, run_id: str, asset: str, suffix: str) -> Path:
    """Returns the metrics of an asset such as ``llm/sft_checkpoint``, in a file with this suffix."""
    return run_dir(home, run_id) / METRICS / f"{asset.replace('/', '__')}.{suffix}"


def metrics_files(home: Path, run_id: str) -> dict[str, Path]:
    """Returns the metrics files of a run, by asset; what else somebody has put beside them is not theirs."""
    found = sorted((run_dir(home, run_id) / METRICS).glob("[!.]*.*"))
    return {path.stem.replace("__", "/", 1): path for path in found if path.suffix in TABLES}
