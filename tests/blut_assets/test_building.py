"""Blut's definitions in somebody else's project: chosen, merged, and with things of their own."""

import subprocess
import sys

import dagster as dg
import pytest

import blut_assets
from blut_assets.building import UnknownName, build_definitions

OURS = "lamquant_joint_codec"


@dg.asset
def theirs() -> None: ...


@dg.executor(name="theirs")
def their_executor(_):
    raise NotImplementedError


def test_it_is_merged_with_what_has_an_executor_loggers_and_resources_of_its_own() -> None:
    mine = dg.Definitions(
        [theirs],
        executor=their_executor,
        loggers={"console": dg.colored_console_logger},
        resources={"warehouse": dg.ResourceDefinition.hardcoded_resource(1)},
    )
    merged = dg.Definitions.merge(build_definitions(), mine)
    dg.Definitions.validate_loadable(merged)
    assert merged.executor is their_executor
    assert merged.resolve_job_def(OURS).executor_def.name == "in_process_or_multiprocess"


def test_two_that_blut_made_are_merged_where_one_brings_the_sensors() -> None:
    llm = build_definitions(only=["llm"], operations=False)
    assert not llm.sensors
    merged = dg.Definitions.merge(build_definitions(only=["lamquant"]), llm)
    dg.Definitions.validate_loadable(merged)
    assert {OURS, "finetune_from_dataset"} <= {job.name for job in merged.jobs or ()}


def test_an_executor_that_is_given_is_that_of_all_jobs_and_resources_are_added() -> None:
    given = build_definitions(executor=their_executor, resources={"warehouse": 1})
    assert given.resolve_job_def(OURS).executor_def.name == "theirs"
    assert given.resolve_implicit_global_asset_job_def().executor_def.name == "theirs"
    assert {"warehouse", "blut_handles"} <= (given.resources or {}).keys()


def test_one_recipe_alone_brings_its_assets_and_no_others() -> None:
    defs = build_definitions(only=["lamquant_data_prep"], operations=False)
    dg.Definitions.validate_loadable(defs)
    assert [job.name for job in defs.jobs or ()] == ["lamquant_data_prep"]
    keys = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    assert "lamquant/lma_corpus" in keys
    assert "lamquant/joint_checkpoint" not in keys and not any(key.startswith("llm") for key in keys)


@pytest.mark.parametrize(
    ("name", "words"), [("lamqant", "did you mean 'lamquant'"), ("joint_codec", "there are: lamquant, llm, ")]
)
def test_an_unknown_name_is_refused_with_those_that_there_are(name: str, words: str) -> None:
    with pytest.raises(UnknownName, match=words):
        build_definitions(only=[name])


def test_its_names_are_found_in_the_package_which_stays_cheap_to_import() -> None:
    assert blut_assets.build_definitions is build_definitions
    with pytest.raises(AttributeError, match="nonsense"):
        _ = blut_assets.nonsense
    quiet = "import sys, blut_assets; assert 'dagster' not in sys.modules and 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", quiet], check=True)
