"""Which module may import which: the contracts of import-linter hold, and what they cannot say."""

import ast
import itertools
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grimp
import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("blut_assets", "blut_resources", "cookbooks", "sensors")
IMPORT_TRICKS: Mapping[str, str] = {
    "blut_assets/own_packages.py": "finds the packages beside it before anything else can be imported",
    "blut_resources/dagster_private/startup.py": "puts imports off that a run does not use",
    "blut_resources/payloads/code.py": "loads a payload's modules from the files that were hashed",
    "cookbooks/llm/llama/library.py": "loads llama.cpp's bindings without the rest of their package",
    "cookbooks/llm/training_loop/process.py": "keeps TRL from importing wandb",
}
"""The modules that change what an import means, each with its reason."""


def settings() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def contracts() -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in settings()["tool"]["importlinter"]["contracts"]}


def lint(directory: Path) -> str:
    """What import-linter says in a copy of the packages; empty if every contract is kept."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    environment = {**os.environ, "PYTHONPATH": str(directory), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_contracts_are_kept() -> None:
    assert lint(REPOSITORY) == ""


@pytest.mark.parametrize(
    ("place", "line", "said"),
    [
        ("blut_resources/text.py", "import blut_assets.artifacts", "The resources know nothing"),
        ("cookbooks/llm/corpus.py", "import blut_assets.definitions", "Resources below everything"),
        ("blut_resources/text.py", "import blut_resources.store.gc", "blut_resources: each room"),
        ("blut_assets/pages/metadata.py", "import blut_assets.stages.spec", "blut_assets: each room"),
        ("blut_assets/artifacts.py", "import sensors.reaper", "The language knows no cookbook"),
        ("cookbooks/llm/corpus.py", "import cookbooks.lamquant.corpus", "Cookbooks do not know"),
        ("sensors/reaper.py", "import torch", "Only the payload's side imports"),
        ("sensors/reaper.py", "import cookbooks.llm.chat.masking", "Only payloads import"),
        ("blut_resources/files/private.py", "import blut_resources.files.modes", "No package or module"),
    ],
)
def test_an_import_that_is_not_allowed_breaks_its_contract(
    place: str, line: str, said: str, tmp_path: Path
) -> None:
    for name in PACKAGES:
        for path in (REPOSITORY / name).rglob("*.py"):
            there = tmp_path / path.relative_to(REPOSITORY)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(path)
    (tmp_path / "pyproject.toml").symlink_to(REPOSITORY / "pyproject.toml")
    text = (REPOSITORY / place).read_text()
    (tmp_path / place).unlink()
    # where only a type checker looks, or only a call leads: both are imports
    (tmp_path / place).write_text(f"{text}\n\ndef _later():\n    {line}\n")
    broken = [one for one in lint(tmp_path).splitlines() if "BROKEN" in one]
    assert any(said in one for one in broken), broken


def circles(graph: grimp.ImportGraph) -> list[set[str]]:
    """Modules that import each other, directly or around a corner, also for type checkers only."""
    return [chain for chain in _components(graph) if len(chain) > 1]


def _components(graph: grimp.ImportGraph) -> Iterator[set[str]]:
    left = set(graph.modules)
    while left:
        module = left.pop()
        forth = graph.find_upstream_modules(module)
        both = {module, *(other for other in forth & left if module in graph.find_upstream_modules(other))}
        left -= both
        yield both


def test_no_modules_import_each_other() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)
    assert circles(graph) == []


def test_a_circle_is_found() -> None:
    graph = grimp.ImportGraph()
    for here, there in itertools.pairwise(["a", "b", "c", "a"]):
        graph.add_import(importer=here, imported=there)
    graph.add_import(importer="a", imported="d")
    assert circles(graph) == [{"a", "b", "c"}]


def test_the_payloads_side_is_the_same_list_everywhere() -> None:
    ignored = settings()["tool"]["ruff"]["lint"]["per-file-ignores"]
    files = {path for path, rules in ignored.items() if "TID253" in rules and path.startswith("cookbooks/")}
    modules = {path.removesuffix("/**").removesuffix(".py").replace("/", ".") for path in files}
    slow, side = contracts()["slow libraries"], contracts()["payload's side"]
    assert modules == set(slow["allowed_importers"]) == set(side["protected_modules"])
    assert modules == set(side["allowed_importers"])
    banned = settings()["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]
    assert banned == slow["protected_modules"]


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for name in (*PACKAGES, "bench", "docs"):
        for path in sorted((REPOSITORY / name).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def private_imports(tree: ast.AST, library: str = "dagster") -> Iterator[str]:
    """The modules of a library with a leading underscore that code imports, anywhere in it."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, *rest = name.split(".")
            if first.startswith(library) and any(part.startswith("_") for part in rest):
                yield name


@pytest.mark.parametrize(
    ("library", "door"),
    [
        ("dagster", REPOSITORY / "blut_resources" / "dagster_private"),
        ("typer", REPOSITORY / "blut_assets" / "cli" / "typer_private.py"),
    ],
)
def test_private_modules_come_through_their_door(library: str, door: Path) -> None:
    around = {
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path, tree in sources()
        if not path.is_relative_to(door)
        for name in private_imports(tree, library)
    }
    assert around == set(), f"import it in {door.relative_to(REPOSITORY)} and use that"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import dagster._utils", ["dagster._utils"]),
        ("def f():\n    from dagster._core.events import X", ["dagster._core.events.X"]),
        ("from dagster import _check", ["dagster._check"]),
        ("from dagster_webserver._x import y", ["dagster_webserver._x.y"]),
        ("import dagster as dg\nfrom dagster_pipes import open_dagster_pipes", []),
    ],
)
def test_a_private_import_is_found(code: str, found: list[str]) -> None:
    assert list(private_imports(ast.parse(code))) == found


FORMAT = "cookbooks.lamquant.lqc"
"""What decodes a file on machines that have no Blut: it is copied there as it is."""


def foreign(tree: ast.AST) -> Iterator[str]:
    """What the format's code imports beside itself, the standard library, numpy and numba."""
    allowed = {*sys.stdlib_module_names, "numpy", "numba"}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        for name in names:
            if name.partition(".")[0] not in allowed and not f"{name}.".startswith(f"{FORMAT}."):
                yield name


def test_the_format_needs_nothing_but_numpy_and_numba() -> None:
    place = REPOSITORY / FORMAT.replace(".", "/")
    files = list(place.rglob("*.py"))
    assert len(files) > 5
    found = {
        str(path.relative_to(REPOSITORY)): names
        for path in files
        if (names := list(foreign(ast.parse(path.read_text()))))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import json, numpy as np\nfrom numba import njit", []),
        ("from cookbooks.lamquant.lqc.varint import put\nfrom cookbooks.lamquant.lqc import varint", []),
        ("def f():\n    import scipy.fft", ["scipy.fft"]),
        ("from cookbooks.lamquant.lqcx import y", ["cookbooks.lamquant.lqcx"]),
        ("from cookbooks.lamquant.codec import dct", ["cookbooks.lamquant.codec"]),
        ("import blut_resources.text", ["blut_resources.text"]),
    ],
)
def test_what_the_format_must_not_import_is_found(code: str, found: list[str]) -> None:
    assert list(foreign(ast.parse(code))) == found


def tricks(tree: ast.AST) -> bool:
    """Whether code changes what an import gives: puts something into `sys.modules` or `sys.meta_path`."""
    changed = {"sys.modules", "sys.meta_path", "sys.path_hooks"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            calls = {"insert", "append", "update", "setdefault", "pop", "__setitem__"}
            if node.func.attr in calls and ast.unparse(node.func.value) in changed:
                return True
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
        for target in targets:
            if isinstance(target, ast.Subscript) and ast.unparse(target.value) in changed:
                return True
    return False


def test_what_an_import_means_is_changed_in_named_places_only() -> None:
    found = {str(path.relative_to(REPOSITORY)) for path, tree in sources() if tricks(tree)}
    assert found == IMPORT_TRICKS.keys()
