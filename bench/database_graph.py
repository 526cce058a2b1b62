"""Six assets in a row, for a run of which nothing is to be computed."""

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, stage_asset


class Number(Artifact):
    """A number in a file."""

    kind = "bench.number"


@stage_asset(cookbook="bench_database", group="row")
def one(stage: Stage) -> Number:
    """Begin."""
    return _written(stage)


@stage_asset(cookbook="bench_database", group="row")
def two(stage: Stage, one: Number) -> Number:
    """Go on."""
    return _written(stage)


@stage_asset(cookbook="bench_database", group="row")
def three(stage: Stage, two: Number) -> Number:
    """Go on."""
    return _written(stage)


@stage_asset(cookbook="bench_database", group="row")
def four(stage: Stage, three: Number) -> Number:
    """Go on."""
    return _written(stage)


@stage_asset(cookbook="bench_database", group="row")
def five(stage: Stage, four: Number) -> Number:
    """Go on."""
    return _written(stage)


@stage_asset(cookbook="bench_database", group="row")
def six(stage: Stage, five: Number) -> Number:
    """End."""
    return _written(stage)


def _written(stage: Stage) -> Number:
    (stage.out / "number").write_text(stage.spec.key.path[-1])
    return Number()


ROW = (one, two, three, four, five, six)
