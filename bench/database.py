"""What a history in PostgreSQL costs beside one in SQLite, in one process; a server is started for it."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from bench.database_graph import ROW
from bench.homes import make_home, scratch
from bench.table import Quantity, Row, Target
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance

EVENT_MS, RATIO = 4, 1.3
"""Bounds of an event, and of a run that computes nothing."""
KEY = dg.AssetKey("bench")


def rows(quick: bool) -> list[Row]:
    """Milliseconds of single calls, and seconds of a run of six assets that are all reused."""
    from tests.databases import running

    rounds, found = (5 if quick else 15), dict[str, dict[str, list[float]]]()
    with scratch() as directory, tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o755)
        with running(Path(place) / "server") as server:
            for name, address in (("sqlite", ""), ("postgres", server.database())):
                with _history(directory / name, address) as instance:
                    found[name] = {"run": _reused(instance, rounds)} | {
                        case: [_took(call) * 1000 for _ in range(10 * rounds)]
                        for case, call in _calls(instance).items()
                    }
    cases = {
        "a run of six assets, all reused": ("run", "s", Target("ratio", "<=", RATIO)),
        "a materialization": ("store", "ms", Target("ours", "<=", EVENT_MS)),
        "the newest materialization": ("newest", "ms", Target("ours", "<=", EVENT_MS)),
        "twenty run records": ("runs", "ms", Target("ours", "<=", 2 * EVENT_MS)),
    }
    return [
        Row(
            "database",
            case,
            Quantity(unit, found["postgres"][key]),
            "SQLite",
            Quantity(unit, found["sqlite"][key]),
            target,
        )
        for case, (key, unit, target) in cases.items()
    ]


@contextmanager
def _history(home: Path, address: str) -> Iterator[dg.DagsterInstance]:
    os.environ.update(make_home(home) | {"BLUT_DATABASE": address})
    with open_instance() as instance:
        yield instance


def _reused(instance: dg.DagsterInstance, rounds: int) -> list[float]:
    def once() -> None:
        assert dg.materialize(ROW, instance=instance, resources={"blut_handles": HANDLES}).success

    once()
    return [_took(once) for _ in range(rounds)]


def _calls(instance: dg.DagsterInstance) -> dict[str, Callable[[], object]]:
    return {
        "store": lambda: instance.report_runless_asset_event(dg.AssetMaterialization(KEY, tags={"a": "b"})),
        "newest": lambda: instance.get_latest_materialization_event(KEY),
        "runs": lambda: instance.get_run_records(limit=20),
    }


def _took(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
