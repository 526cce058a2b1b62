"""What is worth a look is said of each result, computed or reused, and stops nothing."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.cli.run.lookup import checks_of
from blut_assets.cli.run.report import check_line
from blut_assets.stages import Notice, Noticed, Stage, StageConfig, none_refused, stage_asset
from blut_assets.stages.notices import HELD, noticed
from blut_assets.testing import blut_instance, materialize

__all__ = ["blut_instance"]


class Rows(Artifact):
    """Rows of something."""

    kind = "test.rows"
    n_rows: int
    n_refused: int = 0


class RowsConfig(StageConfig):
    """How many rows there are, and how many are refused."""

    n_refused: int = 0


def _broken(_artifact: Any, _metadata: Mapping[str, Any]) -> Noticed:
    raise KeyError("figures")


NOTICES = [
    none_refused("rows_refused", "rows", "n_refused", "rows.json"),
    Notice("readable", "It can be looked at.", _broken),
    HELD,
]


@stage_asset(cookbook="test", group="corpus", notices=NOTICES)
def rows(stage: Stage, config: RowsConfig) -> Rows:
    """Write rows."""
    (stage.out / "rows").write_text("rows")
    return Rows(n_rows=3, n_refused=config.n_refused)


@stage_asset(cookbook="test", group="corpus")
def counted(stage: Stage, rows: Rows) -> Rows:
    """Count them."""
    (stage.out / "count").write_text("3")
    return Rows(n_rows=rows.n_rows)


@stage_asset(
    cookbook="test",
    group="corpus",
    notices=NOTICES,
    freshness=dg.FreshnessPolicy.time_window(timedelta(days=1)),
)
def fresh(stage: Stage) -> Rows:
    """Rows of which somebody says how old they may get."""
    (stage.out / "rows").write_text("rows")
    return Rows(n_rows=3, n_refused=1)


def run(instance: dg.DagsterInstance, n_refused: int) -> dg.ExecuteInProcessResult:
    config = {"ops": {"test__rows": {"config": {"n_refused": n_refused}}}}
    return materialize([rows, counted], instance, run_config=config, raise_on_error=False)


def test_a_computed_and_a_reused_result_are_looked_at_and_nothing_is_stopped(
    blut_instance: dg.DagsterInstance,
) -> None:
    for reused in (False, True):
        result = run(blut_instance, 2)
        assert result.success
        (made,) = result.asset_materializations_for_node("test__rows")
        assert made.metadata["reused"].value is reused
        checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
        refused = checks["rows_refused"]
        assert not refused.passed and refused.severity == dg.AssetCheckSeverity.WARN and not refused.blocking
        assert (
            check_line(refused)
            == "check rows_refused warns: 2 rows refused; rows.json has each with the reason"
        )
        assert refused.metadata["n_refused"].value == 2
        assert "nobody could look: KeyError: 'figures'" in (checks["readable"].description or "")
        assert checks["containment_held"].passed, "it needed no process"
        assert len(result.asset_materializations_for_node("test__counted")) == 1
    told = {one["check"]: one["result"] for one in checks_of(blut_instance, result.run_id)}
    assert told == {"rows_refused": "warns", "readable": "warns", "containment_held": "passed"}
    assert {one.check_name: one.passed for one in run(blut_instance, 0).get_asset_check_evaluations()} == {
        "rows_refused": True,
        "readable": False,
        "containment_held": True,
    }


def test_a_result_that_is_no_fresher_is_looked_at_too(blut_instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        result = materialize([fresh], blut_instance)
        assert [one.passed for one in result.get_asset_check_evaluations()] == [False, False, True]
    assert not result.asset_materializations_for_node("test__fresh")


def test_the_ui_knows_them_before_the_first_run() -> None:
    (spec,) = [one for one in rows.check_specs if one.name == "rows_refused"]
    assert spec.asset_key == rows.key and not spec.blocking
    assert spec.description == "None of the rows was refused."


def test_what_held_the_process_is_said_with_the_reason_why_not_more() -> None:
    (held,) = noticed([HELD], None, {"contained": True, "containment": "cgroup2"})
    assert held.passed and held.description == "held by cgroup2"
    bare = {"contained": False, "containment": "none", "containment_reason": "cgroup1: may not be written"}
    (loose,) = noticed([HELD], None, bare)
    assert not loose.passed and (loose.description or "").endswith("enforced: cgroup1: may not be written")
