"""Helps the tests of people who write stage assets:
an instance that is gone with the test, and runs in it.

::

    from blut_assets.testing import blut_instance, materialize

    def test_words(blut_instance):
        assert materialize([words], blut_instance).success
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import reuse
from blut_assets.stages.external import HANDLES_KEY
from blut_assets.stages.handles import HANDLES
from blut_assets.stages.spec import spec_of
from blut_resources.instance.instance import open_instance, store_of

__all__ = ["blut_instance", "materialize", "provide"]


@pytest.fixture
def blut_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Make a persistent instance with a store and leases of its own,
    in the temporary directory of the test.
    """
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "blut-home"))
    monkeypatch.setenv("BLUT_LEASES", str(tmp_path / "blut-leases"))
    monkeypatch.delenv("BLUT_STORE", raising=False)
    with open_instance() as instance:
        yield instance


def materialize(
    assets: Sequence[dg.AssetsDefinition], instance: dg.DagsterInstance, **options: Any
) -> dg.ExecuteInProcessResult:
    """Run stage assets, and checks, as ``dg.materialize`` does, which takes the options.

    An input that is not among them is what was materialized in the instance before, or `provide`\\ d. The
    option ``resources`` gives what stage functions take, and what a deployment says, such as
    ``{"blut_store": BlutStore(root=...)}``.
    """
    made = {key for asset in assets for key in asset.keys}
    specs = [spec for asset in assets if (spec := spec_of(asset))]
    above = {key for spec in specs for key in spec.inputs.values()} - made
    given = [dg.SourceAsset(key, io_manager_key=HANDLES_KEY) for key in sorted(above)]
    resources = {HANDLES_KEY: HANDLES, **options.pop("resources", {})}
    return dg.materialize([*assets, *given], instance=instance, resources=resources, **options)


def provide(
    instance: dg.DagsterInstance, asset: str, artifact: Artifact, source: Path, partition: str | None = None
) -> Artifact:
    """Have an input as if its asset had been materialized, without running it.

    Args:
        asset: its key, such as ``mine/words``.
        artifact: its facts.
        source: the file or directory with its bytes; it is copied.
        partition: which, of an asset with partitions; it belongs to the assets of `materialize` then, and
            what is to run is said by the option ``selection``.
    """
    store = store_of(instance)
    copied = store.staging() / "copy"
    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, copied)
    stored = artifact.stored_as(store.put(copied))
    metadata = {reuse.ARTIFACT: dg.MetadataValue.json(stored.model_dump(mode="json"))}
    key = dg.AssetKey(asset.split("/"))
    instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata, partition=partition))
    return stored
