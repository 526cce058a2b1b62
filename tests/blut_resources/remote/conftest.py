"""A bucket and stores."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.instance.instance import open_instance
from blut_resources.remote import beyond
from blut_resources.remote.bucket import Bucket
from blut_resources.remote.tier import RemoteTier
from blut_resources.store.artifacts import ArtifactStore
from tests.buckets import Server, Wire, moto
from tests.databases import shipped
from tests.far import COUNTED

Makes = Callable[[], RemoteTier]
Opens = Callable[[str], AbstractContextManager[dg.DagsterInstance]]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Moto's."""
    with moto() as server:
        yield server


@pytest.fixture
def wire(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """The way to it that every store of the test takes."""
    wire = Wire(server)
    for name, value in wire.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(beyond, "_silent_until", {})
    monkeypatch.setattr(beyond, "_refused", set())
    beyond._bucket.cache_clear()
    yield wire
    wire.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An address that no other test has."""
    return f"s3://bucket/{tmp_path.parent.name}/{tmp_path.name}"


@pytest.fixture
def box(tmp_path: Path, wire: Wire, url: str) -> Makes:
    """Makes a tier beside an empty store of its own, as another machine has it."""
    made: list[RemoteTier] = []

    def make() -> RemoteTier:
        made.append(RemoteTier(ArtifactStore(tmp_path / f"box{len(made)}"), Bucket(url)))
        return made[-1]

    return make


@pytest.fixture
def machine(
    tmp_path: Path, home: Path, wire: Wire, url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Opens]:
    """Opens the instance of a machine by its name: a home and a store of its own, one remote for all."""
    COUNTED.clear()
    monkeypatch.setenv("BLUT_REMOTE", url)

    @contextmanager
    def opened(name: str) -> Iterator[dg.DagsterInstance]:
        place = tmp_path / name
        if not place.exists():
            place.mkdir()
            (place / "dagster.yaml").write_text(shipped())
        monkeypatch.setenv("DAGSTER_HOME", str(place))
        with open_instance() as instance:
            yield instance

    yield opened
