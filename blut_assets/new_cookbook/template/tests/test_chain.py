"""Runs the whole chain as the recipe has it: what is good gets a name, what is not does not."""

import random
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from blut_assets.testing import blut_instance, materialize
from blut_resources.instance.instance import store_of
from blut_resources.registry import ModelRegistry
from blut_resources.registry.verdicts import VERDICT_FILE, Verdict, parse_verdict

from toybook.promotion import promoted_classifier
from toybook.recipes import CLASSIFIER
from toybook.synthetic import synthetic_csv
from toybook.verdict import classifier_gate

__all__ = ["blut_instance"]
DEMO = {
    "table": "synthetic:rows=400,seed=1",
    "epochs": 5,
    "promote_as": "toybook@synthetic-test",
}


def run(instance: dg.DagsterInstance, args: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """Run the recipe with these args, its gate included."""
    config = CLASSIFIER.run_config(CLASSIFIER.parse(args))
    chain = [*CLASSIFIER.assets, classifier_gate]
    return materialize(chain, instance, run_config=config, raise_on_error=False)


def models(instance: dg.DagsterInstance) -> ModelRegistry:
    """Returns the registry of an instance."""
    return ModelRegistry(store_of(instance).root / "registry")


def aliases(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Returns what each alias of the model stands for."""
    return dict(models(instance).aliases("toybook"))


def verdict_on(instance: dg.DagsterInstance, digest: str) -> Verdict:
    """Returns the verdict in the artifact with this digest."""
    return parse_verdict(store_of(instance).read(digest, VERDICT_FILE))


def test_what_passes_is_promoted_and_nothing_is_computed_twice(blut_instance: dg.DagsterInstance) -> None:
    assert run(blut_instance, DEMO).success
    assert set(aliases(blut_instance)) == {"synthetic-test"}
    again = run(blut_instance, DEMO)
    assert again.success
    for name in ("split", "classifier", "classifier_verdict"):
        made = again.asset_materializations_for_node(f"toybook__{name}")
        assert [event.metadata["reused"].value for event in made] == [True], name


def test_rows_of_a_user_get_a_serious_name_and_were_judged_apart(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    table = tmp_path / "mine.csv"
    table.write_bytes(synthetic_csv("synthetic:rows=400,seed=1"))
    args = {**DEMO, "table": str(table), "promote_as": "toybook@staging"}
    assert run(blut_instance, args).success
    verdict = verdict_on(blut_instance, aliases(blut_instance)["staging"].verdict)
    assert verdict.synthetic is False
    assert verdict.isolation is not None, "what kept the answering process from the labels is on record"
    assert {criterion.scope for criterion in verdict.criteria} == {
        "test",
        "class flat",
        "class long",
        "class round",
    }


def test_what_fails_is_not_promoted_by_the_run_nor_by_going_around_it(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    chance = random.Random(0)
    rows = [f"{chance.random()},{chance.random()},{chance.choice('ab')}" for _ in range(400)]
    table = tmp_path / "noise.csv"
    table.write_text("\n".join(["x,y,label", *rows]))
    args = {**DEMO, "table": str(table), "promote_as": "toybook@staging"}
    result = run(blut_instance, args)
    assert not result.success and not aliases(blut_instance)
    assert [check.passed for check in result.get_asset_check_evaluations()] == [False]
    assert [one.passed for one in models(blut_instance).versions("toybook").values()] == [False]
    name = "toybook__promoted_classifier"
    assert not result.events_for_node(name), "the run stopped before it"
    # checks guard the run that they are a part of; promotion guards itself
    alone = {"ops": {name: CLASSIFIER.run_config(CLASSIFIER.parse(args))["ops"][name]}}
    with pytest.raises(dg.Failure, match="the verdict is a fail"):
        materialize([promoted_classifier], blut_instance, run_config=alone)
    assert not aliases(blut_instance)


def test_made_up_rows_get_no_serious_name() -> None:
    with pytest.raises(ValueError, match="synthetic data"):
        CLASSIFIER.parse({**DEMO, "promote_as": "toybook@staging"})
