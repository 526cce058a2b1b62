"""Compares the joint codecs of all partitions, such as sites, in one table."""

import json
import math
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.recipes import Recipe, RecipeArgs
from blut_assets.stages import Stage, stage_asset
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.artifacts.training import JointCkpt
from cookbooks.lamquant.artifacts.verdicts import JointReport, PccpVerdict

REPORT_FILE = "report.json"
FIGURES = ("passed", "grade", "worst_cr", "worst_prdn", "worst_r", "n_recordings", "worst_part")
TRAINED = ("preset", "tier", "epochs", "val_prdn")


def _row(key: str, trained: JointCkpt, judged: PccpVerdict) -> dict[str, Any]:
    facts = {**trained.facts(), **judged.facts()}
    return {
        "partition": key,
        **{name: facts[name] for name in (*FIGURES, *TRAINED)},
        "candidate": trained.digest,
        "verdict": judged.digest,
    }


def _shown(place: Path) -> dict[str, Any]:
    rows = json.loads((place / REPORT_FILE).read_bytes())["partitions"]
    text = [{name: str(value) for name, value in row.items()} for row in rows]
    columns = [dg.TableColumn(name, "string") for name in text[0]]
    return {"codecs": dg.MetadataValue.table([dg.TableRecord(row) for row in text], dg.TableSchema(columns))}


def _joint_report(
    stage: Stage, joint_checkpoint: dict[str, JointCkpt], pccp_verdict: dict[str, PccpVerdict]
) -> JointReport:
    """The joint codecs of all partitions side by side, each judged on its own sealed patients.

    The one with the largest error comes first; one that could not be measured before all others.
    """
    rows = [_row(key, trained, pccp_verdict[key]) for key, trained in joint_checkpoint.items()]
    for row in rows:
        if pccp_verdict[row["partition"]].candidate != row["candidate"]:
            raise dg.Failure(
                f"{stage.name}: the verdict of {row['partition']} is on another codec than the one that was"
                " trained last: run the recipe for that partition again",
                allow_retries=False,
            )
    rows.sort(key=lambda row: (-_error(row), row["partition"]))
    write_atomic(stage.out / REPORT_FILE, json.dumps({"partitions": rows}, indent=1).encode())
    return JointReport(
        n_partitions=len(rows),
        n_passed=sum(bool(row["passed"]) for row in rows),
        worst_partition=rows[0]["partition"],
        worst_prdn=rows[0]["worst_prdn"],
    )


def _error(row: dict[str, Any]) -> float:
    return math.inf if row["worst_prdn"] is None else row["worst_prdn"]


def report_of(cookbook: str) -> Recipe:
    """Returns the recipe that compares the joint codecs of all partitions of a cookbook.

    Args:
        cookbook: the name of one that was made with partitions.
    """
    asset = stage_asset(
        cookbook=cookbook,
        group="verdict",
        name="joint_report",
        headline=["n_partitions", "n_passed", "worst_partition", "worst_prdn"],
        kinds={"json"},
        show=_shown,
    )(_joint_report)
    return Recipe(
        name=f"{cookbook}_joint_report",
        category="score",
        description="Compare the joint codecs of all partitions, each judged on its own sealed patients.",
        args=RecipeArgs,
        assets=[asset],
        output=JointReport,
        configure=lambda args: {},
        input_kinds=[JointCkpt.kind, PccpVerdict.kind],
        backend="lamquant",
    )
