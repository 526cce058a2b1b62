"""A pinned file is checked before anything of it is opened, and nothing that an index says is run."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from blut_resources.payload_kit.pinned import BuildError, Package, fetch

BACKEND = "thing_backend.build"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that stands for the package index; the user's own settings are out of the way."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def _sdist(index: Path, ran: Path, backend: str = BACKEND) -> Package:
    """A source distribution each of whose files, once run, leaves a mark."""
    mark = f"open({str(ran)!r}, 'a').write(__file__)\n"
    files = {
        "pyproject.toml": f'[build-system]\nrequires = ["evil"]\nbuild-backend = "{backend}"\n',
        "setup.py": mark,
        "PKG-INFO": "Metadata-Version: 2.1\nName: a-thing\nVersion: 1\n",
        "thing_backend/__init__.py": mark,
        "thing_backend/build.py": mark,
    }
    with tarfile.open(index / "a_thing-1.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"a_thing-1/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    digest = hashlib.sha256((index / "a_thing-1.tar.gz").read_bytes()).hexdigest()
    return Package("a-thing==1", "a_thing-1.tar.gz", digest, backend)


@pytest.mark.parametrize("backend", [BACKEND, "thing_backend", "setuptools.build_meta", "hatchling.build"])
def test_a_source_distribution_is_fetched_without_running_anything(
    backend: str, index: Path, tmp_path: Path
) -> None:
    """Nor a backend that is installed: setuptools runs setup.py when it is asked for a name."""
    package = _sdist(index, tmp_path / "ran", backend)
    assert fetch(package, tmp_path / "cache").read_bytes() == (index / package.file).read_bytes()
    assert not (tmp_path / "ran").exists()
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {package.file, f".{package.file}.lock"}


def test_other_bytes_of_an_index_are_refused_unopened(index: Path, tmp_path: Path) -> None:
    package = _sdist(index, tmp_path / "ran")
    _sdist(index, tmp_path / "ran elsewhere")
    with pytest.raises(BuildError, match=r"whose SHA-256 is not .*nothing of it was opened"):
        fetch(package, tmp_path / "cache")
    assert not (tmp_path / "ran elsewhere").exists()


def test_other_bytes_in_the_cache_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thing-1.whl").write_bytes(b"something else")
    with pytest.raises(BuildError, match=r"SHA-256 is .*delete the file"):
        fetch(Package("thing==1", "thing-1.whl", "0" * 64), tmp_path)


@pytest.mark.usefixtures("index")
def test_without_an_index_the_remedy_is_named(tmp_path: Path) -> None:
    package = Package("no-such-thing==1", "no_such_thing-1-py3-none-any.whl", "0" * 64)
    with pytest.raises(BuildError, match=r"no-such-thing==1 could not be downloaded.*put no_such_thing"):
        fetch(package, tmp_path / "cache")
