"""The code version follows the statements that can change a result, and nothing else."""

import importlib
import shutil
import sys
import time
from pathlib import Path

import pytest

from blut_assets.definitions import discovered
from blut_assets.stages import spec_of
from blut_assets.versions import CodeVersion, code_version

FILES = {
    "pack/__init__.py": "",
    "pack/stages.py": '"""Stages."""\nfrom pack.helper import scale\nLIMIT = 3\n'
    "try:\n    SPARE = 1\nexcept ImportError:\n    SPARE = 2\n"
    'TABLE = {}\nTABLE["a"] = 1\n\ndef make(stage):\n'
    '    """Docs."""\n    return scale(LIMIT) + SPARE + TABLE["a"]\n\ndef other(stage):\n    return 1\n',
    "pack/helper.py": "def scale(x):\n    return x * 2\n\ndef unused(x):\n    return x\n",
    "pack/train.py": "from pack.model import net\n\ndef main():\n    return net()\n",
    "pack/model.py": "import math\n\ndef net():\n    return math.pi\n",
}


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "pack"


def version() -> CodeVersion:
    for name in [name for name in sys.modules if name.split(".")[0] == "pack"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return code_version(importlib.import_module("pack.stages").make, ["pack.train"], 1)


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("stages.py", "LIMIT = 3", "LIMIT = 4", True),
        ("stages.py", "return scale(LIMIT)", "return 1 + scale(LIMIT)", True),
        ("stages.py", "SPARE = 2", "SPARE = 3", True),
        ("stages.py", 'TABLE["a"] = 1', 'TABLE["a"] = 2', True),
        ("helper.py", "def scale", "@(lambda f: f)\ndef scale", True),
        ("stages.py", "Docs.", "Other words.", False),
        ("stages.py", "def make(stage):", "def make(stage: int) -> int:", False),
        ("stages.py", "return 1", "return 2", False),
        ("helper.py", "x * 2", "x * 3", True),
        ("helper.py", "return x\n", "return -x\n", False),
        ("train.py", "return net()", "return -net()", True),
        ("train.py", "def main", "# remark\ndef main", False),
        ("model.py", "math.pi", "math.e", True),
    ],
)
def test_what_changes_the_version(pack: Path, name: str, old: str, new: str, changes: bool) -> None:
    before = version()
    path = pack / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    after = version()
    assert (before.value != after.value) is changes
    changed = [part for part in after.parts if before.parts.get(part) != after.parts[part]]
    assert bool(changed) is changes


def test_a_payload_edited_after_loading_is_noticed(pack: Path) -> None:
    loaded = version()
    (pack / "model.py").touch()
    assert loaded.edited_since_load() == []
    (pack / "model.py").write_text(FILES["pack/model.py"].replace("pi", "e"))
    assert loaded.edited_since_load() == [str(pack / "model.py")]


def settle(pack: Path) -> None:
    """Make the files old enough for notes about them to be kept."""
    time.sleep(0.05)
    for path in pack.rglob("*.py"):
        path.touch()
    time.sleep(0.05)


def test_a_remembered_version_is_the_same(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    settle(pack)
    first = version()
    assert list(pack.rglob("stages.*.make.blut.json"))
    assert version() == first
    (pack / "train.py").write_text(FILES["pack/train.py"].replace("net()", "-net()"))
    assert version().value != first.value
    (pack / "train.py").write_text(FILES["pack/train.py"])
    assert version().value == first.value


def test_a_module_that_takes_the_place_of_a_name_is_noticed(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (pack / "__init__.py").write_text("def net():\n    return 1\n")
    (pack / "train.py").write_text("from pack import net\n\ndef main():\n    return net()\n")
    settle(pack)
    before = version()
    (pack / "net.py").write_text("def net():\n    return 2\n")
    assert set(version().parts) == {*before.parts, "pack.net"}


def test_a_note_that_came_along_with_a_copy_says_nothing(
    pack: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    settle(pack)
    before = version()
    shutil.copytree(pack, tmp_path / "copy" / "pack")
    (tmp_path / "copy" / "pack" / "train.py").write_text("def main():\n    return 0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "copy"))
    after = version()
    assert after.value != before.value
    assert {source.path.parent for source in after.payload_sources} == {tmp_path / "copy" / "pack"}


def test_a_payload_module_that_does_not_exist_is_an_error(pack: Path) -> None:
    make = importlib.import_module("pack.stages").make
    with pytest.raises(ModuleNotFoundError, match=r"pack\.trian"):
        code_version(make, ["pack.trian"], 1)


def test_an_edited_recipe_makes_nothing_stale() -> None:
    specs = [spec for book in discovered.cookbooks for asset in book.assets if (spec := spec_of(asset))]
    read = {part for spec in specs for part in spec.code.parts}
    assert "cookbooks.lamquant.verdict_checks" in read
    assert not [part for part in read if part.rpartition(".")[2].startswith("recipe")]
