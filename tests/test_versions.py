"""The code version follows the statements that can change a result, and nothing else."""

import importlib
import sys
from pathlib import Path

import pytest

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


def test_a_payload_module_that_does_not_exist_is_an_error(pack: Path) -> None:
    make = importlib.import_module("pack.stages").make
    with pytest.raises(ModuleNotFoundError, match=r"pack\.trian"):
        code_version(make, ["pack.trian"], 1)
