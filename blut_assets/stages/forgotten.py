"""Keeps which earlier computations do not count any more for what a later one is expected to take.

The history says what happened, and stays as it is. Which of it says nothing of others stands beside it, in
the home.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import dagster as dg

from blut_resources.files.durable import write_atomic
from blut_resources.instance.instance import home_of, store_of

FILE = "forgotten-footprints.json"


def forgotten(instance: dg.DagsterInstance) -> Mapping[str, frozenset[str]]:
    """Returns asset -> the runs whose computations of it do not count.

    Where the file cannot be read they count: what is leased is then rather too much than too little.
    """
    with suppress(OSError, ValueError, AttributeError, TypeError):
        said = json.loads(_file(instance).read_text())
        return {str(asset): frozenset(map(str, runs)) for asset, runs in said.items()}
    return {}


def forget(instance: dg.DagsterInstance, computations: Collection[tuple[str, str]]) -> None:
    """Have computations, each an asset and the run that made it, not count from now on.

    Raises:
        OSError: the home cannot be written.
    """
    with store_of(instance).lock("footprints"):
        known = {asset: set(runs) for asset, runs in forgotten(instance).items()}
        for asset, run in computations:
            known.setdefault(asset, set()).add(run)
        said = {asset: sorted(runs) for asset, runs in sorted(known.items())}
        write_atomic(_file(instance), json.dumps(said, indent=1).encode())


def _file(instance: dg.DagsterInstance) -> Path:
    return home_of(instance) / FILE
