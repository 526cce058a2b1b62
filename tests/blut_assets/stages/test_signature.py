"""A stage function takes the resources of others beside its inputs and its config, in any order."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets import BlutStore
from blut_assets.artifacts import Artifact
from blut_assets.deployment import declare
from blut_assets.history.planning import plan
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.testing import blut_instance, materialize
from tests.conftest import REPOSITORY

__all__ = ["blut_instance"]


class Shelf(dg.ConfigurableResource):
    """Where somebody keeps texts."""

    text: str


class Counter:
    """A resource that is nobody's class."""

    calls = 0


class Text(Artifact):
    """A text."""

    kind = "taking.text"
    words: int


class TextConfig(StageConfig):
    """How often."""

    times: int = 1


@stage_asset(cookbook="taking", group="sources", source=True)
def taken(stage: Stage, shelf: Shelf) -> Text:
    """What is on the shelf."""
    (stage.out / "text").write_text(shelf.text)
    return Text(words=len(shelf.text.split()))


@stage_asset(cookbook="taking", group="texts")
def repeated(
    stage: Stage,
    counter: dg.ResourceParam[Counter],
    config: TextConfig,
    pipes: dg.PipesSubprocessClient,
    taken: Text,
    shelf: Shelf,
) -> Text:
    """The text again and again, and what else is on the shelf."""
    assert isinstance(pipes, dg.PipesClient)
    counter.calls += 1
    text = (stage.open(taken) / "text").read_text() * config.times + shelf.text
    (stage.out / "text").write_text(text)
    return Text(words=len(text.split()))


def _run(instance: dg.DagsterInstance, counter: Counter, text: str, *chosen: Any) -> dict[str, Any]:
    resources = {"shelf": Shelf(text=text), "counter": counter, "pipes": dg.PipesSubprocessClient()}
    made = materialize(chosen or [taken, repeated], instance, resources=resources)
    (event,) = made.asset_materializations_for_node("taking__repeated")
    return {name: entry.value for name, entry in event.metadata.items()}


def test_resources_come_by_name_and_are_no_part_of_the_fingerprint(blut_instance: dg.DagsterInstance) -> None:
    counter = Counter()
    assert _run(blut_instance, counter, "one")["words"] == 1 and counter.calls == 1
    assert _run(blut_instance, counter, "two words", repeated)["reused"], "another place, the same result"
    assert _run(blut_instance, counter, "two words")["words"] == 3 and counter.calls == 2


def test_a_plan_looks_with_the_resources_of_the_definitions_or_leaves_it_to_the_run(
    blut_instance: dg.DagsterInstance,
) -> None:
    source, below = plan(blut_instance, [taken, repeated], {})
    assert (source.state, below.state) == ("always", "blocked")
    assert source.reason == "looked at by a run, which has its resources (shelf)"
    _run(blut_instance, Counter(), "one")
    try:
        declare({"shelf": Shelf(text="one")}, {})
        source, below = plan(blut_instance, [taken, repeated], {})
    finally:
        declare({}, {})
    assert "its bytes are unchanged" in source.reason and below.state == "fresh"


def test_what_is_none_of_these_is_refused() -> None:
    def broken(stage: Stage, counter: Counter) -> Text:
        raise NotImplementedError

    def misnamed(stage: Stage, settings: TextConfig) -> Text:
        raise NotImplementedError

    def elsewhere(stage: Stage, store: BlutStore) -> Text:
        raise NotImplementedError

    with pytest.raises(TypeError, match="parameter 'store' is a BlutStore: call it `blut_store`"):
        stage_asset(cookbook="taking", group="texts")(elsewhere)
    with pytest.raises(TypeError, match="parameter 'settings' is a TextConfig: call it `config`"):
        stage_asset(cookbook="taking", group="texts")(misnamed)
    with pytest.raises(TypeError, match=r"parameter 'counter'.*nor a resource \(a ConfigurableResource"):
        stage_asset(cookbook="taking", group="texts")(broken)


OTHERS = """\
import os
import dagster as dg
from dagster_aws.s3 import S3Resource
from dagster_duckdb import DuckDBResource
import blut_assets
from blut_assets import BlutStore
from blut_assets.artifacts import Artifact
from blut_assets.stages import stage_asset
from blut_resources.instance.instance import open_instance


class Table(Artifact):
    kind = "others.table"
    rows: int
    url: str


@stage_asset(cookbook="others", group="tables")
def table(stage, db: DuckDBResource, s3: S3Resource) -> Table:
    with db.get_connection() as connection:
        rows = connection.execute("select count(*) from range(7)").fetchone()[0]
    (stage.out / "rows").write_text(str(rows))
    url = s3.get_client().generate_presigned_url("get_object", Params={"Bucket": "mine", "Key": "table"})
    return Table(rows=rows, url=url.partition("?")[0])


defs = dg.Definitions(
    [table],
    jobs=[dg.define_asset_job("make", [table])],
    resources={
        "blut_handles": blut_assets.HANDLES,
        "db": DuckDBResource(database=":memory:"),
        "s3": S3Resource(region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"),
    },
)
with dg.DagsterInstance.get() as instance:
    made = defs.resolve_job_def("make").execute_in_process(instance=instance)
print(made.output_for_node("others__table"))
"""


@pytest.mark.heavy
def test_resources_that_others_publish_pass_through(
    blut_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    packages = ("dagster-aws", "dagster-duckdb", "duckdb", "boto3", "botocore", "jmespath", "s3transfer")
    target = ["--target", str(tmp_path / "site"), "--no-deps", "-q"]
    subprocess.run([sys.executable, "-m", "pip", "install", *target, *packages], check=True)
    (tmp_path / "others.py").write_text(OTHERS)
    paths = f"import sys; sys.path += [{str(tmp_path / 'site')!r}, {str(tmp_path)!r}]; import others"
    done = subprocess.run(
        [sys.executable, "-c", paths], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert "rows=7 url='https://mine.s3.amazonaws.com/table'" in done.stdout, done.stderr
