"""A config class is read once for all assets that take it, and each class for itself."""

from importlib import import_module
from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import stage_asset
from blut_assets.stages.spec import StageConfig


class Pebble(Artifact):
    kind = "test.pebble"


class Grains(StageConfig):
    many: int = 3


class Weights(StageConfig):
    heavy: float


def _declared(name: str, config: type[StageConfig]) -> dg.AssetsDefinition:
    def pebble(stage: object, config: StageConfig) -> Pebble:
        return Pebble()

    pebble.__annotations__["config"] = config
    return stage_asset(cookbook="quarry", group="stones", name=name)(pebble)


def test_many_assets_of_one_class_read_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pythonic = import_module("dagster._config.pythonic_config.config")
    read, fields_of = list[type](), pythonic.model_fields
    monkeypatch.setattr(pythonic, "model_fields", lambda kind: read.append(kind) or fields_of(kind))
    first, second, other = _declared("one", Grains), _declared("two", Grains), _declared("three", Weights)
    assert [read.count(kind) for kind in (Grains, Weights)] == [1, 1]
    types: list[Any] = [one.op.config_schema.config_type for one in (first, second, other)]
    schema = [one.fields for one in types]
    assert schema[0].keys() == schema[1].keys() == {*StageConfig.model_fields, "many"}
    assert schema[0]["many"].default_value == 3
    assert schema[2].keys() == {*StageConfig.model_fields, "heavy"}
    assert schema[2]["heavy"].is_required


def test_a_default_beside_a_config_class_is_refused_as_before() -> None:
    _declared("four", Grains)

    def stone(config: Grains = Grains()) -> None:  # noqa: B008 - what is refused
        """Take what Dagster does not allow."""

    for _ in range(2):
        with pytest.raises(Exception, match="Cannot provide a default value"):
            dg.op(stone)
