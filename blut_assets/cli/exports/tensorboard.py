"""Writes runs as event files of TensorBoard; `tensorboardX` needs neither TensorFlow nor PyTorch for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blut_assets.cli.exports.exported import ExportedRun, ExportFault
from blut_resources.files.durable import explained, random_name, remove_tree, sync

ALL = "run"
"""The directory beside those of the assets, with what is told of the whole run."""


def write_tensorboard(run: ExportedRun, log_dir: Path) -> Path | None:
    """Write ``log_dir/RUN/ASSET``, whole or not at all; returns the run's directory, None if it was there.

    A metric is a scalar over epochs, at the time at which the payload has reported it. Args, tags and the
    figures of artifacts are hyperparameters, text and scalars of the whole run.

    Raises:
        ExportFault: the package is not installed.
        StoreError: the directory refuses, or the disk is full.
    """
    target = log_dir / run.run_id[:8]
    if target.exists():
        return None
    unfinished = log_dir / f".tmp-{random_name()}"
    try:
        with explained(target):
            for asset, events in {ALL: _whole(run), **{a: _curve(run, a) for a in run.curves}}.items():
                _write(unfinished / asset, events)
            unfinished.rename(target)
            sync(log_dir)
    finally:
        remove_tree(unfinished)
    return target


def _write(directory: Path, events: Iterator[Any]) -> None:
    try:
        from tensorboardX.event_file_writer import EventsWriter
    except ImportError as error:
        raise ExportFault(
            f"--as tensorboard: {error.name} is not installed; `pip install 'blut[observability]'`"
        ) from None
    directory.mkdir(parents=True)
    writer = EventsWriter(str(directory / "events"))
    for event in events:
        writer.write_event(event)
    writer.close()
    for file in directory.iterdir():
        sync(file)


def _curve(run: ExportedRun, asset: str) -> Iterator[Any]:
    for point in run.curves[asset]:
        for name, value in point.metrics.items():
            yield _scalar(name, value, point.at, point.epoch)


def _whole(run: ExportedRun) -> Iterator[Any]:
    from tensorboardX.summary import hparams, text

    for summary in hparams(dict(run.args), dict(run.results)):
        yield _event(run.ended, summary)
    for name, value in run.results.items():
        yield _scalar(name, value, run.ended, 0)
    about = {"recipe": run.name, "state": run.state, "args": run.args, "tags": run.tags}
    page = "    " + json.dumps(about, indent=2).replace("\n", "\n    ")  # indented, it is code in Markdown
    yield _event(run.ended, text("about", page))


def _scalar(name: str, value: float, at: float, epoch: int) -> Any:
    """Returns a scalar whose name is kept; the package's own would put ``_`` for what a tag may well have."""
    from tensorboardX.proto import summary_pb2

    proto: Any = summary_pb2  # protobuf makes its classes when it is imported
    value_of = proto.Summary.Value(tag=name, simple_value=value)
    return _event(at, proto.Summary(value=[value_of]), epoch)


def _event(at: float, summary: Any, epoch: int = 0) -> Any:
    from tensorboardX.proto import event_pb2

    proto: Any = event_pb2
    return proto.Event(wall_time=at, step=epoch, summary=summary)
