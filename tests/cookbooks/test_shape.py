"""Cookbooks of one shape: who has read one finds his way in the others."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

TEMPLATE = REPOSITORY / "blut_assets" / "new_cookbook" / "template" / "src" / "toybook"
LAMQUANT, LLM = (REPOSITORY / "cookbooks" / name for name in ("lamquant", "llm"))
FLOW = ("sources", "corpus", "training", "verdict", "promotion")
"""What the data goes through, in this order; a package `verdicts` where there are several gates."""
BESIDE = ("artifacts", "configs", "recipes")
MORE = {
    LAMQUANT: {"data_kinds", "labelling", "floors", "firmware", "controlling", "adapting", "reporting"},
    LLM: {"data_kinds", "gguf", "suite"},
}
VERBS = {
    *("train", "encode", "decode", "build", "score", "convert", "verify", "evaluate", "normalise", "split"),
    *("take", "merge", "predict", "measure", "preflight", "harden", "compile", "choose", "decide"),
}
OLD_NAMES = {LAMQUANT / "payload" / "codec": ["__init__", "checkpoint"]}
"""Kept for scripts of users."""
PACKAGES = ("blut_assets", "blut_resources", "cookbooks", "sensors")


def modules(folder: Path) -> set[str]:
    """The modules and packages in a folder, by name."""
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return packages | {path.stem for path in folder.glob("*.py")} - {"__init__"}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """All modules of the project; the template is the beginning of somebody else's."""
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if not path.is_relative_to(TEMPLATE.parents[1]):
                yield path.relative_to(REPOSITORY), ast.parse(path.read_text())


@pytest.mark.parametrize("cookbook", [LAMQUANT, LLM, TEMPLATE], ids=lambda path: path.name)
def test_a_cookbook_has_the_files_of_the_flow(cookbook: Path) -> None:
    steps = {"verdict" if name == "verdicts" else name for name in modules(cookbook)}
    assert steps >= {*FLOW, *BESIDE, "payload"}
    assert (cookbook / "configs" / "__init__.py").is_file(), "configs and their files lie together"
    configs = modules(cookbook / "configs")
    assert configs <= {*FLOW, *MORE.get(cookbook, ())}, "a module of configs is named after its step"


@pytest.mark.parametrize("cookbook", [LAMQUANT, LLM], ids=lambda path: path.name)
def test_what_is_no_step_of_the_flow_is_in_a_package_that_says_what_it_is(cookbook: Path) -> None:
    plain = {path.stem for path in cookbook.glob("*.py")} - {"__init__"}
    assert plain - {*FLOW, *BESIDE} == MORE[cookbook]
    for package in cookbook.glob("*/__init__.py"):
        said = ast.get_docstring(ast.parse(package.read_text()))
        assert said or package.parent.name == "payload", f"{package}: say what the package is for"


@pytest.mark.parametrize("cookbook", [LAMQUANT, LLM, TEMPLATE], ids=lambda path: path.name)
def test_payloads_hold_scripts_alone_each_a_stage_and_a_verb(cookbook: Path) -> None:
    folder = cookbook / "payload"
    for path in sorted(folder.rglob("*.py")):
        if path.parent in OLD_NAMES:
            assert path.stem in OLD_NAMES[path.parent], path
        elif path.name != "__init__.py":
            assert path.parent == folder, f"{path}: libraries lie beside payload/"
            stage, _, verb = path.stem.rpartition("_")
            assert re.fullmatch(r"[a-z]+", stage) and verb in VERBS, path
            assert 'if __name__ == "__main__":' in path.read_text(), path


def test_a_class_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{path}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_modules_of_the_cookbooks_go_by_their_own_names() -> None:
    renamed = [
        f"{path}:{node.lineno}: {node.module} {one.name} as {one.asname}"
        for path, tree in sources()
        if path.parts[0] == "cookbooks"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cookbooks")
        for one in node.names
        if one.asname and one.asname != one.name
    ]
    assert renamed == []
