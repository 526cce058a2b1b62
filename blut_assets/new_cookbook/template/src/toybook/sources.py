"""Looks at what the user brings on every run, so that a change is noticed: the sources."""

from pathlib import Path

from blut_assets.stages import Stage, stage_asset
from blut_resources.files.durable import write_atomic

from toybook.artifacts import FloorSet, Table
from toybook.configs import FloorSetConfig, TableConfig
from toybook.floors import FLOORS_FILE, SHIPPED, parse_floors
from toybook.rows import SYNTHETIC_FILE
from toybook.synthetic import EXAMPLE, PREFIX, synthetic_csv


@stage_asset(
    cookbook="toybook",
    group="toybook_sources",
    source=True,
    headline=["n_bytes"],
    kinds={"csv"},
)
def table(stage: Stage, config: TableConfig) -> Table:
    """The user's CSV file. Its digest depends on the contents alone, and is the asset's data version."""
    if config.table.startswith(PREFIX):
        data = synthetic_csv(config.table)
        write_atomic(stage.out / SYNTHETIC_FILE, data)
        return Table(n_bytes=len(data), synthetic=True)
    path = Path(config.table)
    if not path.is_file():
        raise FileNotFoundError(f"table = {config.table!r}: no such file; give a CSV file, or {EXAMPLE}")
    # a reference: the store notes digest, size and time of the file, and leaves the bytes where they are
    digest = stage.store.put_reference(path)
    return Table(digest=digest, n_bytes=path.stat().st_size, synthetic=False)


@stage_asset(
    cookbook="toybook",
    group="toybook_sources",
    source=True,
    headline=["min_accuracy", "min_recall"],
    kinds={"yaml"},
)
def floors(stage: Stage, config: FloorSetConfig) -> FloorSet:
    """What a classifier must reach. A verdict carries this file's digest."""
    path = Path(config.floors) if config.floors else SHIPPED
    if not path.is_file():
        raise FileNotFoundError(f"floors = {config.floors!r}: no such file; {SHIPPED} is an example")
    data = path.read_bytes()
    parsed = parse_floors(data, str(path))
    write_atomic(stage.out / FLOORS_FILE, data)
    return FloorSet(min_accuracy=parsed.min_accuracy, min_recall=parsed.min_recall)
