"""What trials have in common is validated once, and is what it would be for each of them alone."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from blut_assets.cli.run.arguments import recipe_called
from blut_assets.cli.sweep.given import sweep_given
from blut_assets.cli.sweep.order import _words, grid_given, ordered, with_overrides
from blut_assets.layers.resolve import Layered, layered
from blut_assets.recipes import ArgsError, RecipeArgs, config_from
from blut_assets.recipes.args import equal_configs_once
from blut_assets.stages import StageConfig
from tests import swept

SYNTHETIC = {"edf_root": "synthetic:subjects=3,seconds=30,seed=0"}


def test_trials_of_the_codec_share_the_configs_that_their_axis_is_no_part_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe, read = recipe_called("lamquant_joint_codec"), list[object]()
    load = yaml.load
    monkeypatch.setattr(yaml, "load", lambda *given: read.append(given) or load(*given))
    order = ordered(recipe, SYNTHETIC, grid_given(recipe, ["seed=range(30)", "tier=2,3"], None, ()))
    made = [config for one in order.trials for config in one.configs.values()]
    joint = {id(config) for config in made if {"seed", "tier"} <= {*type(config).model_fields}}
    assert len(order.trials) == 60 and len(joint) == 60
    assert len({*map(id, made)}) < 60 + 60, "each has the axis it is swept over, and what else differs"
    assert len(read) <= 1, "the floors are read once"
    for one in order.trials:
        assert recipe.configs(one.args) == one.configs


def test_a_pattern_is_matched_with_the_words_of_an_argument() -> None:
    class Speed(StrEnum):
        FAST = "fast"
        SLOW = "slow"

    assert _words(Speed | None) == ["fast", "slow"]
    assert _words(Literal["a", 2] | bool) == ["a", 2, True, False]
    assert _words(str | None) == []


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


def test_an_option_of_a_group_stands_for_the_args_that_its_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    for name, text in {
        "blut.yaml": "defaults: [size: small]\nretries: 5\n",
        "configs/size/small.yaml": "width: 1\nlr: 0.5\n",
        "configs/size/large.yaml": "width: 8\nlr: 0.5\nlimits: {tasks_max: 77}\n",
        "configs/size/huge.yaml": "width: 64\n",
        "configs/limits/one.yaml": "cpus: 1\n",
        "configs/limits/two.yaml": "cpus: 2\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def trials(*axes: str, sets: Sequence[str] = ()) -> list[dict[str, Any]]:
        def said(chosen: Sequence[str]) -> Layered:
            return layered(swept.recipe, sets=sets, config=chosen)

        order = sweep_given(said(()), sets, axes, None, [None], lambda chosen: said(chosen).values)
        assert order.values["retries"] == 5
        again = [with_overrides(order.values, one.overrides) for one in order.trials]
        assert [swept.recipe.parse(one) for one in again] == [one.args for one in order.trials]
        return [one.args.model_dump(exclude_defaults=True) for one in order.trials]

    large, small = trials("size=glob(*,exclude=h*)")
    assert (small.get("width", 1), small["lr"], large["width"], large["lr"]) == (1, 0.5, 8, 0.5)
    assert large["limits"] == {"tasks_max": 77} and "limits" not in small
    huge = trials("size=huge,small", "seed=1,2")
    assert [(one.get("width", 1), one.get("lr", 0.1), one["seed"]) for one in huge] == [
        (64, 0.1, 1),
        (64, 0.1, 2),
        (1, 0.5, 1),
        (1, 0.5, 2),
    ]
    assert [one["width"] for one in trials("limits=glob(*)", sets=["width=3"])] == [3, 3]
    assert {one["limits"]["cpus"] for one in trials('limits={"cpus":1},{"cpus":4}')} == {1.0, 4.0}
    with pytest.raises(ArgsError, match="did you mean 'huge'"):
        trials("size=hug,small")
    with pytest.raises(SystemExit):
        trials("size=glob(x*)")
    assert "nothing matches" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        trials("size=glob(*)", sets=["width=3", "lr=1", "limits.tasks_max=1"])
    assert "say the same" in capfd.readouterr().err
