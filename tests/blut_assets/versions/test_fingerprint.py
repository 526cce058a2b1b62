"""The code version follows the statements that can change a result, and nothing else."""

import importlib
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from blut_assets.stages.spec import spec_of
from blut_assets.versions.fingerprint import CodeVersion, code_version

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


def stages() -> Any:
    """The module, as it is now."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pack"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return importlib.import_module("pack.stages")


def version() -> CodeVersion:
    return code_version(stages().make, ["pack.train"], 1)


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
        ("model.py", "import math", "import math, xml.dom", True),
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


# each line is a file of the package, what it says before and after, and which other files stand beside it
REACHED = {
    "relative": ("extra.py", "X = 1", "X = 2", {"train.py": "from .extra import X\n"}),
    "relative module": ("extra.py", "X = 1", "X = 2", {"train.py": "from . import extra\n"}),
    "two levels up": (
        *("extra.py", "X = 1", "X = 2"),
        {
            "sub/__init__.py": "",
            "sub/deep.py": "from ..extra import X\n",
            "train.py": "from .sub import deep\n",
        },
    ),
    "alias": (
        "extra.py",
        "X = 1",
        "X = 2",
        {"stages.py": "import pack.extra as h\ndef make(s):\n    return h.X\n"},
    ),
    "dotted": (
        "extra.py",
        "X = 1",
        "X = 2",
        {"stages.py": "import pack.extra\ndef make(s):\n    return pack.extra.X\n"},
    ),
    "star": (
        "extra.py",
        "X = 1",
        "X = 2",
        {"stages.py": "from pack.extra import *\ndef make(s):\n    return X\n"},
    ),
    "imported by a payload": ("extra.py", "X = 1", "X = 2", {"train.py": "import pack.extra\n"}),
    "star of a payload": (
        *("extra.py", "X = 1", "X = 2"),
        {"train.py": "from pack.extra import *\nprint(X)\n"},
    ),
    "star of a package": (
        *("sub/deep.py", "X = 1", "X = 2"),
        {
            "sub/__init__.py": "__all__ = ['deep']\n",
            "stages.py": "from pack.sub import *\ndef make(s):\n    return deep.X\n",
        },
    ),
    "inside the function": (
        *("extra.py", "X = 1", "X = 2"),
        {"stages.py": "def make(s):\n    from pack.extra import X\n    return X\n"},
    ),
    "inside, whole": (
        *("extra.py", "X = 1", "X = 2"),
        {"stages.py": "def make(s):\n    import pack.extra as h\n    return getattr(h, s)\n"},
    ),
    "through a package": (
        *("sub/deep.py", "X = 1", "X = 2"),
        {
            "sub/__init__.py": "from .deep import X\n",
            "stages.py": "from pack.sub import X\ndef make(s):\n    return X\n",
        },
    ),
    "__init__ of a parent": (
        "sub/__init__.py",
        "T = 1\nT.x = 1",
        "T = 1\nT.x = 2",
        {"sub/deep.py": "", "train.py": "import pack.sub.deep\n"},
    ),
    "__init__ above a program": (
        *("sub/__init__.py", "T = {}\nT['x'] = 1", "T = {}\nT['x'] = 2"),
        {"sub/deep.py": "", "train.py": "COMMAND = ['python', '-m', 'pack.sub.deep']\n"},
    ),
    "by a name in a string": (
        *("extra.py", "X = 1", "X = 2"),
        {"train.py": "from importlib import import_module as load\nload('pack.extra')\n"},
    ),
    "by a relative name in a string": (
        *("extra.py", "X = 1", "X = 2"),
        {"train.py": "import importlib\nimportlib.import_module('.extra', __package__)\n"},
    ),
    "by a name made up": (
        *("extra.py", "X = 1", "X = 2"),
        {"train.py": "import importlib\ndef main(n):\n    importlib.import_module(f'pack.{n}')\n"},
    ),
    "as a program": (
        *("extra.py", "X = 1", "X = 2"),
        {"train.py": "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pack.extra'])\n"},
    ),
    "a table that is filled": (
        *("extra.py", "from pack.table import T\nT.update(a=1)", "from pack.table import T\nT.update(a=2)"),
        {
            "table.py": "T = {}\n",
            "stages.py": "from pack import extra\nfrom pack.table import T\ndef make(s):\n    return T\n",
        },
    ),
    "a list that is filled in a loop": (
        *(
            "extra.py",
            "L = []\nfor n in range(3):\n    L.append(n)",
            "L = []\nfor n in range(4):\n    L.append(n)",
        ),
        {"stages.py": "from pack.extra import L\ndef make(s):\n    return L\n"},
    ),
    "a table that is asked": (
        *("extra.py", "T = {}\nX = T.setdefault('a', 1)", "T = {}\nX = T.setdefault('a', 2)"),
        {"stages.py": "from pack.extra import T\ndef make(s):\n    return T\n"},
    ),
    "a list that is given away": (
        *(
            "extra.py",
            "import heapq\nT = []\n_ = heapq.heappush(T, 1)",
            "import heapq\nT = []\n_ = heapq.heappush(T, 2)",
        ),
        {"stages.py": "from pack.extra import T\ndef make(s):\n    return T\n"},
    ),
    "a list of another that is given away": (
        *(
            "extra.py",
            "import heapq\nfrom pack.table import T\n_ = heapq.heappush(T, 1)",
            "import heapq\nfrom pack.table import T\n_ = heapq.heappush(T, 2)",
        ),
        {
            "table.py": "T = []\n",
            "stages.py": "import pack.extra\nfrom pack.table import T\ndef make(s):\n    return T\n",
        },
    ),
    "an attribute that is set": (
        *(
            "extra.py",
            "from pack import table as t\nsetattr(t, 'X', 1)",
            "from pack import table as t\nsetattr(t, 'X', 2)",
        ),
        {
            "table.py": "X = 0\n",
            "stages.py": "import pack.extra\nfrom pack import table as t\ndef make(s):\n    return t.X\n",
        },
    ),
    "a decorator that keeps": (
        *(
            "extra.py",
            "from pack.table import keep\n@keep\ndef f():\n    return 1",
            "from pack.table import keep\n@keep\ndef f():\n    return 2",
        ),
        {
            "table.py": "T = []\ndef keep(f):\n    T.append(f)\n    return f\n",
            "stages.py": "import pack.extra\nfrom pack.table import T\ndef make(s):\n    return T[0]()\n",
        },
    ),
    "a condition that keeps": (
        *(
            "extra.py",
            "from pack.table import keep\nif keep(1):\n    pass",
            "from pack.table import keep\nif keep(2):\n    pass",
        ),
        {
            "table.py": "T = []\ndef keep(x):\n    T.append(x)\n    return x\n",
            "stages.py": "import pack.extra\nfrom pack.table import T\ndef make(s):\n    return T\n",
        },
    ),
    "a class that its base keeps": (
        *(
            "extra.py",
            "from pack.table import B\nclass C(B):\n    x = 1",
            "from pack.table import B\nclass C(B):\n    x = 2",
        ),
        {
            "table.py": "class B:\n    all = []\n    def __init_subclass__(c):\n        B.all.append(c)\n",
            "stages.py": "import pack.extra\nfrom pack.table import B\ndef make(s):\n    return B.all[0].x\n",
        },
    ),
    "a method of a config": (
        *(
            "extra.py",
            "class A:\n    def f(self): return 1\nclass C(A): pass",
            "class A:\n    def f(self): return 2\nclass C(A): pass",
        ),
        {"stages.py": "from pack.extra import C\ndef make(s, config: C):\n    return config.f()\n"},
    ),
    "the type that a function is registered for": (
        *(
            "extra.py",
            "from pack.table import f\n@f.register\ndef _(x: int):\n    return 1",
            "from pack.table import f\n@f.register\ndef _(x: str):\n    return 1",
        ),
        {
            "table.py": "import functools\n@functools.singledispatch\ndef f(x):\n    return 0\n",
            "train.py": "import pack.extra\nfrom pack.table import f\nprint(f(1))\n",
        },
    ),
    "words that are read": (
        *("extra.py", '"""One."""\nX = __doc__', '"""Two."""\nX = __doc__'),
        {"train.py": "from pack.extra import X\n"},
    ),
    "the type of a field": (
        *("extra.py", "class C:\n    x: int = 1", "class C:\n    x: float = 1"),
        {"stages.py": "from pack.extra import C\ndef make(s):\n    return C()\n"},
    ),
    "a file beside it": (
        "data.json",
        "1",
        "2",
        {"train.py": "from pathlib import Path\nPath(__file__).with_name('data.json').read_text()\n"},
    ),
    "a file by os.path": (
        "data.json",
        "1",
        "2",
        {"train.py": "import os\nopen(os.path.join(os.path.dirname(__file__), 'data.json'))\n"},
    ),
    "a file below a constant": (
        *("d/a.json", "1", "2"),
        {
            "paths.py": "from pathlib import Path\nHERE = Path(__file__).parent\n",
            "train.py": "from pack.paths import HERE\n(HERE / 'd' / 'a.json').read_text()\n",
        },
    ),
    "any file of a directory": (
        "d/a.json",
        "1",
        "2",
        {"train.py": "from pathlib import Path\nD = Path(__file__).parent\ndef main(n):\n    open(D / n)\n"},
    ),
    "a resource": (
        "d/a.json",
        "1",
        "2",
        {"train.py": "from importlib.resources import files\n(files('pack') / 'd' / 'a.json').read_text()\n"},
    ),
    "a resource of one's own": (
        "data.json",
        "1",
        "2",
        {"train.py": "import pkgutil\npkgutil.get_data(__package__, 'data.json')\n"},
    ),
}


@pytest.mark.parametrize("case", REACHED)
def test_what_is_reached_counts_however_it_is_spelled(pack: Path, case: str) -> None:
    name, before, after, others = REACHED[case]
    for path, text in {**others, name: f"{before}\n"}.items():
        (pack / path).parent.mkdir(exist_ok=True)
        (pack / path).write_text(text)
    first = version()
    (pack / name).write_text(f"{after}\n")
    assert version().value != first.value
    (pack / name).write_text(f"{before}\n")
    assert version().value == first.value


@pytest.mark.parametrize(
    "line", ["import pack.helper as helper", "from pack import helper", "from . import helper"]
)
def test_what_a_package_imports_only_when_it_is_asked_to_does_not_count(pack: Path, line: str) -> None:
    (pack / "__init__.py").write_text("def cookbook():\n    from pack.recipes import R\n    return R\n")
    (pack / "recipes.py").write_text("R = 1\n")
    (pack / "train.py").write_text(f"{line}\n\ndef main():\n    return helper.unused\n")
    first = version()
    (pack / "recipes.py").write_text("R = 2\n")
    assert version() == first
    (pack / "train.py").write_text("from pack import cookbook\n\ndef main():\n    return cookbook()\n")
    asked = version()
    (pack / "recipes.py").write_text("R = 1\n")
    assert version().value != asked.value


def test_modules_that_swap_their_parts_are_noticed(pack: Path) -> None:
    (pack / "train.py").write_text("from pack.a import f as g\nfrom pack.b import f\nprint(f(), -g())\n")
    one, two = "def f():\n    return 1\n", "def f():\n    return 2\n"
    (pack / "a.py").write_text(one)
    (pack / "b.py").write_text(two)
    first = version()
    (pack / "a.py").write_text(two)
    (pack / "b.py").write_text(one)
    assert version().value != first.value


def test_modules_that_import_each_other_are_told_apart(pack: Path) -> None:
    (pack / "train.py").write_text("from pack.a import f\n\ndef main():\n    return f()\n")
    (pack / "a.py").write_text("def f():\n    from pack.b import g\n    return g()\n")
    (pack / "b.py").write_text("import pack.a\n\ndef g():\n    return 1\n")
    first = version()
    (pack / "b.py").write_text("import pack.a\n\ndef g():\n    return 2\n")
    assert version().value != first.value


def test_a_fact_that_an_asset_does_not_read_is_no_part_of_it(pack: Path) -> None:
    (pack / "kinds.py").write_text(
        "from blut_assets.artifacts import Artifact\nclass Rows(Artifact):\n    n: int\n    more: int = 1\n"
        "    def half(self):\n        return self.n / 2\n"
    )
    (pack / "stages.py").write_text(
        "from pack.kinds import Rows\ndef make(s, rows: Rows):\n    return rows.n\n"
    )
    first = version()
    text = (pack / "kinds.py").read_text()
    (pack / "kinds.py").write_text(text.replace("more: int", "most: int"))
    assert version() == first
    for old, new in (("n: int\n", "n: float\n"), ("self.n / 2", "self.n / 3")):
        (pack / "kinds.py").write_text(text.replace(old, new))
        assert version().value != first.value, old
    (pack / "kinds.py").write_text(text)
    (pack / "stages.py").write_text(
        "from pack.kinds import Rows\ndef make(s, rows: Rows):\n    return rows.model_dump()\n"
    )
    whole = version()
    (pack / "kinds.py").write_text(text.replace("more: int", "most: int"))
    assert version().value != whole.value


def test_where_an_asset_stands_in_the_graph_is_no_part_of_it(pack: Path) -> None:
    text = "from blut_assets.artifacts import Artifact\nfrom blut_assets.stages.declare import stage_asset\n"
    text += 'class Rows(Artifact):\n    kind = "test.rows"\n'
    text += '@stage_asset(cookbook="pack", group="a")\ndef make(stage) -> Rows:\n    return Rows()\n'

    def declared() -> str:
        spec = spec_of(stages().make)
        assert spec
        return spec.code.value

    (pack / "stages.py").write_text(text)
    first = declared()
    (pack / "stages.py").write_text(text.replace('"a"', '"another"'))
    assert declared() == first
    (pack / "stages.py").write_text(text.replace("return Rows()", "return Rows(**{})"))
    assert declared() != first


def test_declared_files_count_and_must_be_there(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (pack / "rows").mkdir()
    (pack / "rows" / "a.csv").write_text("1")
    settle(pack)
    version()
    make = sys.modules["pack.stages"].make
    first = code_version(make, ["pack.train"], 1, ["rows/*.csv"])
    assert "pack/rows/a.csv" in first.parts
    (pack / "rows" / "b.csv").write_text("2")
    assert code_version(make, ["pack.train"], 1, ["rows/*.csv"]).value != first.value
    with pytest.raises(ValueError, match=r"data='rows/\*\.tsv': no such file beside .*stages\.py"):
        code_version(make, ["pack.train"], 1, ["rows/*.tsv"])


def test_a_description_of_a_field_is_free_and_its_bound_is_not(pack: Path) -> None:
    text = "from pydantic import BaseModel, Field\nclass C(BaseModel):\n"
    text += "    x: int = Field(1, ge=0, description='a')\n"
    (pack / "helper.py").write_text(text)
    (pack / "stages.py").write_text(
        "from pack.helper import C\ndef make(s, config: C):\n    return s(config)\n"
    )
    first = version()
    (pack / "helper.py").write_text(text.replace("'a'", "'other words'"))
    assert version().value == first.value
    (pack / "helper.py").write_text(text.replace("ge=0", "ge=1"))
    assert version().value != first.value


def test_what_an_asset_leases_changes_no_version_of_who_refers_to_it(pack: Path) -> None:
    text = "def asset(**words):\n    return lambda f: f\ndef Footprint(**words):\n    return words\n"
    text += "@asset(group='a')\ndef above(): ...\ndef make(s):\n    return above\n"
    (pack / "stages.py").write_text(text)
    first = version()
    words = "group='a', footprint=Footprint(cpus=2, network=1, disk=1)"
    (pack / "stages.py").write_text(text.replace("group='a'", words))
    assert version().value == first.value
    (pack / "stages.py").write_text(text.replace("group='a'", words.replace("group='a'", "group='b'")))
    assert version().value != first.value


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


def test_of_a_file_so_young_that_an_edit_might_not_show_no_note_is_kept(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    settle(pack)
    os.utime(pack / "model.py", (time.time() + 60,) * 2)
    version()
    assert not list(pack.rglob("*.blut.json"))


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
    assert {file.path.parent for file in after.counted} == {tmp_path / "copy" / "pack"}


def test_a_program_that_a_payload_names_is_started_from_its_own_files(pack: Path) -> None:
    (pack / "extra.py").write_text("from pack.model import net\n")
    (pack / "train.py").write_text("COMMAND = ['python', '-m', 'pack.extra']\n")
    files = version().files("pack.extra")
    assert files and {*files.modules} == {"pack", "pack.extra", "pack.model"}
    assert version().files("pack.helper") is None


def test_another_schema_number_is_another_version_also_beside_a_note(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    settle(pack)
    first, make = version(), sys.modules["pack.stages"].make
    assert code_version(make, ["pack.train"], 1) == first
    assert code_version(make, ["pack.train"], 2).value != first.value


def test_a_payloads_package_that_is_found_elsewhere_is_another_one(
    pack: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for place, text in (("one", "X = 1\n"), ("two", "X = 2\n")):
        (tmp_path / place / "lib").mkdir(parents=True)
        (tmp_path / place / "lib" / "__init__.py").touch()
        (tmp_path / place / "lib" / "train.py").write_text(text)
    settle(tmp_path)
    version()
    make = sys.modules["pack.stages"].make
    monkeypatch.syspath_prepend(str(tmp_path / "one"))
    first = code_version(make, ["lib.train"], 1)
    assert list(pack.rglob("stages.*.make.blut.json"))
    monkeypatch.syspath_prepend(str(tmp_path / "two"))
    assert code_version(make, ["lib.train"], 1).value != first.value


def test_a_payload_module_that_does_not_exist_is_an_error(pack: Path) -> None:
    make = importlib.import_module("pack.stages").make
    with pytest.raises(ModuleNotFoundError, match=r"pack\.trian"):
        code_version(make, ["pack.trian"], 1)
