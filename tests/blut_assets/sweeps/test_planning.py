"""What many trials would compute is told for all at once, with what they share."""

import time

import dagster as dg
import pytest

from blut_assets.sweeps.planning import PlannedStage, jobs_at_once, plan_trials
from blut_assets.testing import blut_instance as blut_instance
from blut_resources.leases.lease import Needs
from tests.swept import recipe


def test_a_thousand_trials_are_planned_in_moments_and_share_their_corpus(
    blut_instance: dg.DagsterInstance,
) -> None:
    given = [{"lr": lr, "seed": seed} for lr in range(100) for seed in range(10)]
    configs = [recipe.configured(one)[1][0] for one in given]
    begun = time.process_time()
    plan = plan_trials(blut_instance, recipe, configs)
    assert time.process_time() - begun < 2.0
    ahead = [one.asset for one in plan.ahead()]
    assert ahead.count("swept/shared") == 1 and ahead.count("swept/model") == 1000
    assert plan.state(0) == "compute" and not plan.done(999)
    assert len({id(stages[0]) for stages in plan.trials}) == 1


def test_so_many_run_at_once_as_the_dearest_stage_leaves_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_LEASE_CPUS", "8")
    monkeypatch.setenv("BLUT_GPUS", "0:8G,1:8G,2:8G")
    light = PlannedStage("a", "compute", None, needs=Needs(cpus=1))
    heavy = PlannedStage("b", "compute", None, needs=Needs(cpus=3))
    on_gpu = PlannedStage("c", "compute", None, needs=Needs(cpus=1, gpus=1))
    assert [jobs_at_once([light], 99), jobs_at_once([light, heavy], 99)] == [8, 2]
    assert [jobs_at_once([light, on_gpu], 99), jobs_at_once([light], 5), jobs_at_once([], 0)] == [3, 5, 1]


def test_a_source_that_the_first_trial_builds_is_in_nobodys_way(blut_instance: dg.DagsterInstance) -> None:
    from blut_assets.definitions import discovered

    prep = next(r for c in discovered.cookbooks for r in c.recipes if r.name == "lamquant_data_prep")
    _, configs = prep.configured({"edf_root": "synthetic:subjects=3,seconds=30,seed=987654"})
    plan = plan_trials(blut_instance, prep, configs)
    assert plan.state(0) == "compute" and plan.ahead()
