"""Fills the instance in $DAGSTER_HOME with runs that mostly reuse: ``python -m bench.history_graph N``."""

import sys

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance

SETTINGS = 3
"""Different settings, so that there is more than one result of each asset."""


class Few(Artifact):
    """A few bytes."""

    kind = "bench.few"


class FewConfig(StageConfig):
    """What is written."""

    number: int = 0


@stage_asset(cookbook="bench_history", group="a")
def first(stage: Stage, config: FewConfig) -> Few:
    """A number."""
    (stage.out / "data").write_text(str(config.number))
    return Few()


@stage_asset(cookbook="bench_history", group="a")
def second(stage: Stage, first: Few) -> Few:
    """A copy of it."""
    (stage.out / "data").write_bytes((stage.open(first) / "data").read_bytes())
    return Few()


def main() -> None:
    """Entry point."""
    job = dg.define_asset_job("history", [first, second])
    defs = dg.Definitions([first, second], jobs=[job], resources={"blut_handles": HANDLES})
    with open_instance() as instance:
        for number in range(int(sys.argv[1])):
            config = {"ops": {"bench_history__first": {"config": {"number": number % SETTINGS}}}}
            done = defs.resolve_job_def("history").execute_in_process(run_config=config, instance=instance)
            assert done.success


if __name__ == "__main__":
    main()
