"""What trials have in common is validated once, and is what it would be for each of them alone."""

import pytest
import yaml

from blut_assets.cli.run.arguments import recipe_called
from blut_assets.cli.sweep.order import grid_given, ordered
from blut_assets.recipes import RecipeArgs, config_from
from blut_assets.recipes.args import equal_configs_once
from blut_assets.stages import StageConfig

SYNTHETIC = {"edf_root": "synthetic:subjects=3,seconds=30,seed=0"}


def test_trials_of_the_codec_share_the_configs_that_their_axis_is_no_part_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, read = recipe_called("lamquant_joint_codec"), list[object]()
    load = yaml.load
    monkeypatch.setattr(yaml, "load", lambda *given: read.append(given) or load(*given))
    order = ordered(recipe, SYNTHETIC, grid_given(recipe, ["seed=range(30)", "tier=2,3"], None, ()))
    made = [config for one in order.trials for config in one.configs.values()]
    joint = {id(config) for config in made if "seed" in config.model_fields and "tier" in config.model_fields}
    assert len(order.trials) == 60 and len(joint) == 60
    assert len({*map(id, made)}) < 60 + 60, "each has the axis it is swept over, and what else differs"
    assert len(read) <= 1, "the floors are read once"
    for one in order.trials:
        assert recipe.configs(one.args) == one.configs


def test_equal_is_what_looks_the_same() -> None:
    class Args(RecipeArgs):
        tier: int | bool | float = 1

    class TierConfig(StageConfig):
        tier: int | bool | float = 1

    with equal_configs_once():
        made = [config_from(TierConfig, Args(tier=tier)) for tier in (1, True, 1.0, 1)]
        assert [type(one.tier) for one in made] == [int, bool, float, int] and made[0] is made[3]
        assert config_from(TierConfig, Args(), retries=7).retries == 7
        assert config_from(TierConfig, Args(limits={"cpus": 2})).limits.cpus == 2
    assert config_from(TierConfig, Args()) is not made[0]
