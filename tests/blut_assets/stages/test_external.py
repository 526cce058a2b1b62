"""An artifact as the input of an asset whose author has neither its cookbook nor, perhaps, Blut."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import blut_assets
from blut_assets import ExternalArtifact, external
from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, stage_asset
from blut_assets.testing import blut_instance, materialize

__all__ = ["blut_instance"]


class Codec(Artifact):
    """What others want."""

    kind = "owners.codec"
    epochs: int


class Table(Artifact):
    """Something else with the same fields."""

    kind = "owners.table"
    epochs: int


@stage_asset(cookbook="owners", group="training")
def codec(stage: Stage) -> Codec:
    """Train it."""
    (stage.out / "weights").write_text("w")
    return Codec(epochs=3)


def _take(instance: dg.DagsterInstance, hint: Any, above: Any = None, **partitions: Any) -> Any:
    """What an asset gets whose parameter is annotated so, or why it gets nothing."""
    got: list[Any] = []

    def take(codec: Any) -> None:
        got.append(codec)

    take.__annotations__ = {"return": None} | ({} if hint is None else {"codec": hint})
    wants = dg.asset(ins={"codec": dg.AssetIn(key=["owners", "codec"])}, **partitions)(take)
    done = dg.materialize(
        [above or external("owners/codec"), wants],
        instance=instance,
        resources={"blut_handles": blut_assets.HANDLES},
        raise_on_error=False,
    )
    if done.success:
        return got[0]
    event = next(event for event in done.all_events if event.is_step_failure)
    data = event.step_failure_data.user_failure_data
    return data.description if data else str(event.step_failure_data.error)


def test_each_annotation_gets_what_it_asks_for(blut_instance: dg.DagsterInstance) -> None:
    made = materialize([codec], blut_instance).output_for_node("owners__codec")
    assert _take(blut_instance, Codec) == made == _take(blut_instance, Codec | None)
    assert (_take(blut_instance, Path) / "weights").read_text() == "w"
    for hint in (None, Any, Artifact, ExternalArtifact):
        found = _take(blut_instance, hint)
        assert (found.kind, found.digest, found.epochs) == ("owners.codec", made.digest, 3)
        assert (found.path / "weights").read_text() == "w" and found.facts() == {"epochs": 3}


@pytest.mark.parametrize("above", [None, codec], ids=["of another location", "of the same run"])
def test_what_does_not_fit_is_said_in_a_line_that_names_both(
    above: Any, blut_instance: dg.DagsterInstance
) -> None:
    materialize([codec], blut_instance)
    said = _take(blut_instance, Table, above)
    both = "is asked for as Table (kind owners.table), and is an artifact of kind owners.codec"
    assert said == f"codec: owners/codec {both}"
    said = _take(blut_instance, int, above)
    assert (
        "is asked for as int, and is an artifact of kind owners.codec: annotate it with pathlib.Path" in said
    )
    assert "\n" not in said
    said = _take(blut_instance, dict[str, Path], above)
    assert said == "codec takes several partitions, and owners/codec has none: take one"
    said = _take(blut_instance, Table, external("owners/codec", kind=Table))
    assert "is declared to be of kind owners.table, and is an artifact of kind owners.codec" in said


def test_the_bytes_are_found_where_their_maker_keeps_them(
    blut_instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_STORE", str(tmp_path / "its store"))
    materialize([codec], blut_instance)
    monkeypatch.setenv("BLUT_STORE", str(tmp_path / "another"))
    assert (_take(blut_instance, Path) / "weights").read_text() == "w"
    weights = next((tmp_path / "its store").glob("objects/*/*/data/weights"))
    weights.chmod(0o600)
    weights.write_text("x")
    assert "content" in _take(blut_instance, Path) or "damaged" in _take(blut_instance, Path)


def test_dagster_loads_its_value_by_its_own_means(blut_instance: dg.DagsterInstance) -> None:
    materialize([codec], blut_instance)
    defs = dg.Definitions([external("owners/codec")], resources={"blut_handles": blut_assets.HANDLES})
    found = defs.load_asset_value(["owners", "codec"], instance=blut_instance)
    assert isinstance(found, ExternalArtifact) and (found.path / "weights").read_text() == "w"


def test_a_check_of_others_takes_it_too(blut_instance: dg.DagsterInstance) -> None:
    materialize([codec], blut_instance)
    above = external("owners/codec")

    @dg.asset_check(asset=above.key)
    def light(codec: Path) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=(codec / "weights").stat().st_size == 1)

    defs = dg.Definitions(
        [above],
        asset_checks=[light],
        jobs=[dg.define_asset_job("judge", dg.AssetSelection.checks(light))],
        resources={"blut_handles": blut_assets.HANDLES},
    )
    done = defs.resolve_job_def("judge").execute_in_process(instance=blut_instance)
    assert [one.passed for one in done.get_asset_check_evaluations()] == [True]


def test_every_partition_is_given_by_its_key(blut_instance: dg.DagsterInstance) -> None:
    sites = dg.StaticPartitionsDefinition(["a", "b"])

    @stage_asset(cookbook="owners", group="training", name="codec", partitions_def=sites)
    def each(stage: Stage) -> Codec:
        (stage.out / "weights").write_text(str(stage.partition))
        return Codec(epochs=3)

    for site in "ab":
        materialize([each], blut_instance, partition_key=site)
    above = external("owners/codec", partitions_def=sites)
    for hint in (None, dict[str, ExternalArtifact]):
        found = _take(blut_instance, hint, above)
        assert {key: (one.path / "weights").read_text() for key, one in found.items()} == {"a": "a", "b": "b"}
    assert (_take(blut_instance, dict[str, Path], above)["b"] / "weights").read_text() == "b"


WITHOUT_BLUT = """\
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import dagster as dg

codec = dg.AssetSpec("owners/codec".split("/"))


@dg.asset(deps=[codec])
def exported(context: dg.AssetExecutionContext) -> None:
    event = context.instance.get_latest_materialization_event(codec.key).asset_materialization
    place = Path(url2pathname(urlsplit(event.metadata["dagster/uri"].value).path))
    print("WEIGHTS", (place / "weights").read_text(), event.metadata["digest"].value)


with dg.DagsterInstance.get() as instance:
    dg.materialize([codec, exported], instance=instance)
assert "blut_assets" not in sys.modules
"""


@pytest.mark.slow
def test_a_location_without_blut_needs_the_uri_alone(blut_instance: dg.DagsterInstance) -> None:
    made = materialize([codec], blut_instance).output_for_node("owners__codec")
    done = subprocess.run([sys.executable, "-c", WITHOUT_BLUT], capture_output=True, text=True, check=False)
    assert f"WEIGHTS w {made.digest}" in done.stdout, done.stderr
