"""Writes the runs on standard input; the Python that has MLflow runs it, and nothing of Blut is imported."""

import json
import re
import sys
import zlib
from collections.abc import Iterable
from typing import Any

AT_ONCE = 1000
"""Metrics in a request, at most; of params and tags a tenth."""
LONG = 5000
"""Characters of a param or a tag at most."""
WHOLE, SEEN, PARENT = "blut.whole", "blut.run", "mlflow.parentRunId"
STATES = {"success": "FINISHED", "cancelled": "KILLED", "deadline": "KILLED", "pruned": "FINISHED"}


def main() -> None:
    """Write what was asked for, and print the id of each run as JSON."""
    from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]

    order = json.load(sys.stdin)
    client = MlflowClient(tracking_uri=order["uri"])
    print(json.dumps({run["run_id"]: write_run(client, run) for run in order["runs"]}))


def write_run(client: Any, run: dict[str, Any]) -> str:
    """Write one run and those below it; returns its id, empty if it is there."""
    found = client.get_experiment_by_name(run["name"])
    experiment = found.experiment_id if found else client.create_experiment(run["name"])
    before = client.search_runs([experiment], f"tags.`{SEEN}` = '{run['run_id']}'")
    if any(PARENT not in old.data.tags and old.data.tags.get(WHOLE) for old in before):
        return ""
    for old in before:
        client.delete_run(old.info.run_id)
    made = _one(client, experiment, run, f"{run['name']} {run['run_id'][:8]}", run["tags"])
    _log(client, made, params=run["args"], points=[(0, run["ended"], run["results"])])
    for asset, points in run["curves"].items():
        tags = {PARENT: made, SEEN: run["run_id"], "blut.asset": asset}
        below = _one(client, experiment, run, f"{asset} {run['run_id'][:8]}", tags)
        rows = [(point["epoch"], point["at"], point["metrics"]) for point in points]
        _log(client, below, params=run["args"], points=rows)
        _end(client, below, run)
    _end(client, made, run)
    return made


def _one(client: Any, experiment: str, run: dict[str, Any], name: str, tags: dict[str, str]) -> str:
    clean = {key: str(tags[own])[:LONG] for own, key in _names(tags).items()}
    made = client.create_run(experiment, int(run["started"] * 1000), clean, name)
    return made.info.run_id


def _log(client: Any, run: str, params: dict[str, Any], points: list[tuple[int, float, Any]]) -> None:
    from mlflow.entities import Metric, Param  # pyright: ignore[reportMissingImports]

    told = [Param(key, str(params[own])[:LONG]) for own, key in _names(params).items()]
    names = _names(key for _, _, values in points for key in values)
    metrics = [
        Metric(names[key], value, int(at * 1000), epoch)
        for epoch, at, values in points
        for key, value in values.items()
    ]
    for at in range(0, len(told), AT_ONCE // 10):
        client.log_batch(run, params=told[at : at + AT_ONCE // 10])
    for at in range(0, len(metrics), AT_ONCE):
        client.log_batch(run, metrics=metrics[at : at + AT_ONCE])


def _end(client: Any, run: str, of: dict[str, Any]) -> None:
    client.set_tag(run, "blut.state", of["state"])
    client.set_terminated(run, STATES.get(of["state"], "FAILED"), int(of["ended"] * 1000))
    client.set_tag(run, WHOLE, "yes")


def _names(keys: Iterable[str]) -> dict[str, str]:
    """Returns a name that MLflow takes for each: letters, digits and ``_-. :/``, and no path upwards."""
    names: dict[str, str] = {}
    for key in dict.fromkeys(keys):
        clean = re.sub(r"[^\w\-. :/]", "_", key, flags=re.ASCII)[:230]
        name = "/".join(f"_{part}" if part in ("", ".", "..") else part for part in clean.split("/"))
        names[key] = f"{name}-{zlib.crc32(key.encode()):08x}" if name in names.values() else name
    return names


if __name__ == "__main__":
    main()
