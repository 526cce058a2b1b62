"""A recipe's leaderboard: the best run first, with the args that made the difference; it updates itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.cli.views.leaderboard import ranked_rows
from blut_assets.history.leaderboard import board as leaderboard
from blut_assets.history.leaderboard import leaderboard_asset, leaderboard_sensor
from blut_assets.recipes import Cookbook, Metric, Recipe, RecipeArgs
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import open_instance
from blut_resources.store.artifacts import ArtifactStore


class Score(Artifact):
    """A score.

    Attributes:
        value: higher is better.
        passed: whether it counts.
    """

    kind = "toy.score"
    value: float
    passed: bool


class ScoreConfig(StageConfig):
    """What it is made of."""

    lr: float = 0.1
    note: str = ""


class Args(RecipeArgs):
    """The same."""

    lr: float = 0.1
    note: str = ""


@stage_asset(cookbook="toy", group="training", headline=["passed"], kinds={"text"})
def score(stage: Stage, config: ScoreConfig) -> Score:
    """Ten times the learning rate."""
    (stage.out / "score").write_text(f"{config.lr} {config.note}")
    return Score(value=config.lr * 10, passed=config.lr < 1)


def _configure(args: Args) -> dict[str, StageConfig]:
    return {"score": ScoreConfig(lr=args.lr, note=args.note)}


def _contents(store: ArtifactStore, results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {"contents": ", ".join(store.read(str(r["digest"]), "score").decode().strip() for r in results)}


class Sealed(Artifact):
    """What is measured on."""

    kind = "toy.sealed"


class SealedConfig(StageConfig):
    """Its text."""

    text: str = ""


class SealedArgs(Args):
    """The args, and the text that is measured on."""

    text: str = ""


@stage_asset(cookbook="toy", group="corpus", kinds={"text"})
def sealed(stage: Stage, config: SealedConfig) -> Sealed:
    """The text."""
    (stage.out / "text").write_text(config.text)
    return Sealed()


@stage_asset(cookbook="toy", group="training", kinds={"text"})
def graded(stage: Stage, sealed: Sealed, config: ScoreConfig) -> Score:
    """A score on the text."""
    (stage.out / "score").write_text(f"{config.lr} {(stage.open(sealed) / 'text').read_text()}")
    return Score(value=config.lr * 10, passed=config.lr < 1)


def _graded(args: SealedArgs) -> dict[str, StageConfig]:
    return {"sealed": SealedConfig(text=args.text), "graded": ScoreConfig(lr=args.lr)}


GRADED = Recipe(
    *("toy_grade", "train", "Toy.", SealedArgs, [sealed, graded], Score, _graded),
    metric=Metric(graded, "value", "highest", only_if="passed", within=("sealed",)),
)

METRIC = Metric(score, "value", "highest", only_if="passed", shows=_contents)
RECIPE = Recipe("toy_train", "train", "Toy.", Args, [score], Score, _configure, metric=METRIC)
BOARD = leaderboard_asset("toy", RECIPE, METRIC)
DEFS = dg.Definitions([score, BOARD], jobs=[RECIPE.job()], resources={"blut_handles": HANDLES})


def train(instance: dg.DagsterInstance, **args: Any) -> str:
    values = RECIPE.parse(args).model_dump(mode="json")
    return DEFS.resolve_job_def("toy_train").execute_in_process(values, instance=instance).run_id


def board(instance: dg.DagsterInstance) -> dict[str, Any]:
    (event,) = dg.materialize([BOARD], instance=instance).asset_materializations_for_node(
        "toy__toy_train_leaderboard"
    )
    return {name: entry.value for name, entry in event.metadata.items()}


def tick(instance: dg.DagsterInstance, cursor: str) -> str:
    sensor: Any = leaderboard_sensor([Cookbook("toy", [score], [RECIPE])])
    with dg.build_sensor_context(instance, cursor=cursor) as context:
        found = sensor(context)
    assert not found.run_requests
    return str(found.cursor)


def shown(instance: dg.DagsterInstance) -> list[Any]:
    """How many results each leaderboard has that was shown, the newest first."""
    page = instance.fetch_materializations(BOARD.key, limit=9)
    return [one.asset_materialization.metadata["n_results"].value for one in page.records]  # type: ignore[union-attr]


@pytest.mark.usefixtures("home")
def test_the_best_run_is_first_and_what_does_not_count_is_last() -> None:
    with open_instance() as instance:
        assert "best_value" not in board(instance)
        slow, fast = train(instance, lr=0.2), train(instance, lr=0.4, note="a|b")
        refused, again = train(instance, lr=2.0), train(instance, lr=0.2, reuse="auto")
        shown = board(instance)
    assert shown["contents"] == "0.4 a|b, 0.2, 2.0", "what the recipe shows besides, of the store"
    assert shown["best_value"] == 4.0 and shown["best_run"] == fast and shown["n_results"] == 3
    rows = [line.strip("| ") for line in shown["leaderboard"].splitlines()]
    assert rows[0].startswith("**value ↑** | passed | run | `lr` | `note` | when")
    assert [row.split(" | ")[0] for row in rows[2:]] == ["1", "2", "-"]
    assert f"/runs/{again}" in rows[3] and slow not in rows[3], "the same result of the same args counts once"
    assert "a\\|b" in rows[2] and f"/runs/{refused}" in rows[4]
    assert "| 0.2 | - |" in rows[3], "what was not given"


@pytest.mark.usefixtures("home")
def test_results_are_ranked_among_those_that_were_measured_on_the_same() -> None:
    defs = dg.Definitions([sealed, graded], jobs=[GRADED.job()], resources={"blut_handles": HANDLES})
    metric = GRADED.metric
    assert metric
    with open_instance() as instance:
        for lr, text in ((0.2, "a"), (0.4, "a"), (2.0, "b"), (0.1, "b")):
            values = GRADED.parse({"lr": lr, "text": text}).model_dump(mode="json")
            defs.resolve_job_def("toy_grade").execute_in_process(values, instance=instance)
            if lr == 0.4:
                assert "measured on" not in leaderboard(instance, GRADED, metric)[0], "all on the same"
        text, metadata = leaderboard(instance, GRADED, metric)
        rows = ranked_rows(instance, [GRADED])
    told = [(row["place"], row["args"]["text"], row["value"]) for row in rows]
    assert told == [(1, "b", 1.0), (None, "b", 20.0), (1, "a", 4.0), (2, "a", 2.0)], (
        "that of the newest first"
    )
    assert [row["on"] for row in rows] == [rows[0]["on"]] * 2 + [rows[2]["on"]] * 2
    assert rows[0]["on"].startswith("sealed ") and rows[0]["on"] != rows[2]["on"]
    assert metadata["best_value"] == 1.0
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert [line[:2] for line in lines[2:]] == [[str(row["place"] or "-"), row["on"]] for row in rows]
    assert lines[0][1] == "measured on"


def test_a_metric_that_the_artifact_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="recipe toy_train: Score has no fact 'speed'"):
        leaderboard_asset("toy", RECIPE, Metric(score, "speed", "highest"))
    with pytest.raises(TypeError, match="recipe toy_train: toy/score takes no 'rows'"):
        leaderboard_asset("toy", RECIPE, Metric(score, "value", "highest", within=("rows",)))


@pytest.mark.usefixtures("home")
def test_it_is_shown_anew_after_every_new_result_and_only_then() -> None:
    cursor = ""
    with open_instance() as instance:
        cursor = tick(instance, cursor)
        assert shown(instance) == [], "there is nothing to show yet"
        train(instance, lr=0.2)
        cursor = tick(instance, cursor)
        assert shown(instance) == [1]
        assert tick(instance, cursor) == cursor and shown(instance) == [1]
        train(instance, lr=0.3)
        tick(instance, cursor)
        assert shown(instance) == [2, 1]
        assert {run.job_name for run in instance.get_runs()} == {"toy_train"}, "no run of its own"


@pytest.mark.usefixtures("home")
def test_it_shows_results_from_before_there_was_a_leaderboard() -> None:
    with open_instance() as instance:
        train(instance, lr=0.2)
        cursor = tick(instance, "what another version of the sensor has left")
        assert shown(instance) == [1]
        tick(instance, cursor)
        tick(instance, "")
        assert shown(instance) == [1], "what is shown already is not said again"
