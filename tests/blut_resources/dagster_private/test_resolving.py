"""The config of a run is resolved once, and that of another run is its own."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from dagster._core.system_config.objects import ResolvedRunConfig

from blut_resources.dagster_private.resolving import resolved_once


class Amount(dg.Config):
    tons: int = 1


@dg.op
def dig(config: Amount) -> int:
    return config.tons


@dg.job
def mine() -> None:
    dig()


def _config(tons: int) -> Mapping[str, Any]:
    return {"ops": {"dig": {"config": {"tons": tons}}}}


def test_a_config_is_resolved_once_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Any]()
    build = ResolvedRunConfig.build
    monkeypatch.setattr(
        ResolvedRunConfig, "build", staticmethod(lambda *words: asked.append(words) or build(*words))
    )
    with dg.DagsterInstance.ephemeral() as instance:
        with resolved_once():
            for tons in (2, 3):
                result = mine.execute_in_process(_config(tons), instance=instance)
                assert result.output_for_node("dig") == tons
        assert len(asked) == 2
        with resolved_once(), pytest.raises(dg.DagsterInvalidConfigError):
            mine.execute_in_process({"ops": {"dig": {"config": {"grams": 1}}}}, instance=instance)
        mine.execute_in_process(_config(3), instance=instance)
    assert len(asked) > 4  # as Dagster does it
