"""Checks the user's rows and puts them into parts: the corpus."""

from blut_assets.stages import Footprint, Stage, Steps, stage_asset

from toybook.artifacts import Split, Table
from toybook.configs import SplitConfig

ROWS_SPLIT = "toybook.payload.rows_split"


@stage_asset(
    cookbook="toybook",
    group="toybook_corpus",
    payloads=[ROWS_SPLIT],
    headline=["n_train", "n_validation", "n_test"],
    kinds={"json"},
    footprint=Footprint(cpus=1),
)
def split(stage: Stage, table: Table, config: SplitConfig) -> Steps[Split]:
    """Rows to learn from, to choose by and to judge on; no row is in two of them."""
    facts = yield from stage.run(ROWS_SPLIT, config=config.for_payload(), inputs={"table": stage.open(table)})
    return Split(**facts)
