"""A field that is taken over from another config class."""

import dagster as dg
import pytest
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from blut_assets.recipes import RecipeArgs, like
from blut_assets.recipes.args import allowed_values
from blut_assets.stages import StageConfig
from blut_assets.stages.spec import spec_of
from tests.blut_assets.recipes.test_recipe import RECIPES


class KneadConfig(StageConfig):
    """How dough is made."""

    minutes: int | None = Field(8, ge=1, le=60, description="of kneading")
    herbs: list[str] = Field(default_factory=list, description="none if empty")


class BreadArgs(RecipeArgs):
    """Args of a recipe that kneads."""

    minutes: int | None = like(KneadConfig, "minutes", description="at the table")
    herbs: list[str] = like(KneadConfig, "herbs")


def test_default_bounds_and_words_are_taken_over_and_a_change_leaves_the_original_alone() -> None:
    assert (BreadArgs().minutes, BreadArgs().herbs) == (8, [])
    info, own = BreadArgs.model_fields["minutes"], KneadConfig.model_fields["minutes"]
    assert (info.description, own.description) == ("at the table", "of kneading")
    assert allowed_values(info) == allowed_values(own) == "int >= 1 <= 60"
    with pytest.raises(ValidationError, match="less than or equal to 60"):
        BreadArgs(minutes=61)
    assert BreadArgs.to_fields_dict().keys() >= {"minutes", "herbs"}


def test_another_type_than_the_one_taken_over_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match=r"KneadConfig\.minutes"):

        class _Short(dg.Config):
            minutes: int = like(KneadConfig, "minutes")

    with pytest.raises(KeyError, match="salt"):
        like(KneadConfig, "salt")


def _declared_in(cls: type, name: str) -> type:
    return next(one for one in cls.__mro__ if name in vars(one).get("__annotations__", {}))


def _is_taken(info: FieldInfo) -> bool:
    return any(hasattr(one, "config") for one in info.metadata)


def test_no_recipe_writes_down_a_field_of_an_asset_once_more() -> None:
    """What is written down twice drifts apart."""
    repeated = []
    for recipe in RECIPES:
        configs = [spec.config for asset in recipe.assets if (spec := spec_of(asset))]
        for name, info in recipe.args.model_fields.items():
            if _is_taken(info):
                continue
            repeated += [
                f"{recipe.args.__name__}.{name}: take it over from {config.__name__} with `like`"
                for config in configs
                if name in config.model_fields
                and not _is_taken(config.model_fields[name])
                and _declared_in(config, name) is not _declared_in(recipe.args, name)
            ]
    assert not repeated
