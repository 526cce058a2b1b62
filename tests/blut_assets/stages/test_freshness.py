"""Fresh is what was made lately, and not what was found again."""

from datetime import timedelta
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.cli.run.lookup import made_by
from blut_assets.cli.run.report import run_summary
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.testing import blut_instance, materialize

__all__ = ["blut_instance"]


class Line(Artifact):
    """A line."""

    kind = "fresh.line"
    words: int


class LineConfig(StageConfig):
    """What it says."""

    text: str = "one"


@stage_asset(
    cookbook="fresh",
    group="lines",
    headline=["words"],
    freshness=dg.FreshnessPolicy.time_window(timedelta(days=1)),
)
def line(stage: Stage, config: LineConfig) -> Line:
    """Write it."""
    (stage.out / "line").write_text(config.text)
    return Line(words=len(config.text.split()))


@stage_asset(cookbook="fresh", group="lines")
def below(stage: Stage, line: Line) -> Line:
    """Write it again."""
    (stage.out / "line").write_text((stage.open(line) / "line").read_text())
    return line.stored_as("")


@dg.asset(ins={"line": dg.AssetIn(key=["fresh", "line"])})
def plain(line: Line) -> int:
    """Of somebody else."""
    return line.words


class Shown:
    """What the report is of."""

    name, assets = "fresh", (line, below)


def _run(instance: dg.DagsterInstance, text: str, *assets: Any) -> dg.ExecuteInProcessResult:
    config = {"ops": {"fresh__line": {"config": {"text": text}}}} if line in assets else {}
    return materialize(assets, instance, run_config=config)


def _last(instance: dg.DagsterInstance) -> tuple[str, float]:
    event = instance.get_latest_materialization_event(line.key)
    assert event
    return event.run_id, event.timestamp


def test_a_result_that_is_found_again_is_not_fresher(blut_instance: dg.DagsterInstance) -> None:
    first = _run(blut_instance, "one", line, below)
    made = _last(blut_instance)
    again = _run(blut_instance, "one", line, below, plain)
    assert again.success and _last(blut_instance) == made
    (event,) = again.get_asset_observation_events()
    seen = event.asset_observation_data.asset_observation
    assert seen.metadata["reused"].value and seen.metadata["origin_run"].value == first.run_id
    assert again.output_for_node("plain") == 1
    summary = "\n".join(run_summary(again, Shown()))  # type: ignore[arg-type]
    assert "2 reused" in summary and "fresh/line" in summary
    assert list(made_by(blut_instance, again.run_id)) == ["fresh/below", "plain", "fresh/line"]


@stage_asset(
    cookbook="fresh",
    group="lines",
    side_effect=True,
    freshness=dg.FreshnessPolicy.time_window(timedelta(days=1)),
)
def sent(stage: Stage, line: Line, config: LineConfig) -> Line:
    """Send it to whoever is named."""
    stage.news = bool(config.text)
    (stage.out / "to").write_text(config.text)
    return Line(words=line.words)


def test_who_has_done_nothing_has_seen_and_not_made_something(blut_instance: dg.DagsterInstance) -> None:
    for to in ("", "ada", ""):
        config = {"ops": {"fresh__sent": {"config": {"text": to}}}}
        result = materialize([line, sent], blut_instance, run_config=config)
        seen = [one.asset_observation_data.asset_observation for one in result.get_asset_observation_events()]
        assert result.success and bool(result.asset_materializations_for_node("fresh__sent")) == bool(to)
        assert (sent.key in [one.asset_key for one in seen]) == (not to)
    (made,) = blut_instance.fetch_materializations(sent.key, limit=9).records
    assert made.asset_materialization and made.asset_materialization.metadata["reused"].value is False


def test_what_takes_its_place_again_is_a_version_that_counts(blut_instance: dg.DagsterInstance) -> None:
    _run(blut_instance, "one", line)
    _run(blut_instance, "two words", line)
    back = _run(blut_instance, "one", line)
    assert back.asset_materializations_for_node("fresh__line")[0].metadata["reused"].value is True
    assert _last(blut_instance)[0] == back.run_id
