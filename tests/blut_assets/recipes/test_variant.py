"""A cookbook under another name, with partitions: the same code, results of its own."""

from typing import Any

import dagster as dg
import pytest

from blut_assets.building import assemble
from blut_assets.discovery import Discovered
from blut_assets.recipes import Cookbook, variant
from blut_assets.stages.spec import spec_of
from blut_assets.testing import blut_instance
from tests import parted

__all__ = ["blut_instance"]
HOUSES = dg.StaticPartitionsDefinition(["red", "blue"])
BOOK = Cookbook(
    "parted", [parted.place, parted.common, parted.codec], [parted.CODEC], checks=[parted.codec_gate]
)


def test_it_runs_beside_the_first_and_keeps_its_code(blut_instance: dg.DagsterInstance) -> None:
    houses = variant(BOOK, "houses", partitions=HOUSES, shared=["common"])
    defs = assemble(Discovered([parted.COOKBOOK, houses]))
    job = defs.resolve_job_def("houses_codec")
    result = job.execute_in_process({}, blut_instance, partition_key="blue")
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
    made = result.asset_materializations_for_node("houses__codec")[0]
    assert made.metadata["word"].value == "word of blue and common" and made.partition == "blue"
    assert result.asset_materializations_for_node("houses__common")[0].partition is None
    for old, new in zip(BOOK.assets, houses.assets, strict=True):
        first, second = spec_of(old), spec_of(new)
        assert first and second and first.code.value == second.code.value
        assert second.key.path[0] == "houses"
        assert {key.path[0] for key in second.inputs.values()} <= {"houses"}
    assert {group for one in houses.assets for group in one.group_names_by_key.values()} == {"houses_parted"}
    assert houses.recipes[0].metric and houses.recipes[0].metric.asset is houses.assets[2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"recipes": ["parted_codecs"]}, r"recipes = 'parted_codecs': parted has none of that name"),
        (
            {"shared": ["commen"]},
            r"shared = 'commen': parted has none of that name; there are: codec, common",
        ),
    ],
)
def test_a_name_that_there_is_not_is_said(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        variant(BOOK, "houses", partitions=HOUSES, **options)


def test_what_is_no_stage_asset_cannot_be_renamed() -> None:
    book = Cookbook("parted", [dg.AssetSpec("elsewhere")], [])
    with pytest.raises(ValueError, match="is no stage asset, and stays what it is called"):
        variant(book, "houses")
