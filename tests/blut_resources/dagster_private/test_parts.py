"""The private parts of Dagster that the door uses are those of the pinned version; else, what to look at."""

import ast
import enum
import hashlib
import importlib
import inspect
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy

from blut_resources.dagster_private import names
from tests.conftest import REPOSITORY
from tests.house.test_imports import private_imports

DOOR = REPOSITORY / "blut_resources" / "dagster_private"


class Part(NamedTuple):
    """A private part: where it is, what it looks like, and which module of the door relies on that."""

    where: str
    looks: str
    used_by: str


def looks(where: str) -> str:
    """What can be relied on of a part: of a function its arguments, of a constant its value.

    ``module:Class.method!`` is one that the door replaces: of it the source counts, as a digest.
    """
    module, _, path = where.rstrip("!").partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split(".") if path else []:
        found = getattr(found, name)
    if where.endswith("!"):
        return hashlib.sha256(inspect.getsource(inspect.unwrap(found)).encode()).hexdigest()[:12]
    if inspect.ismodule(found):
        return "a module"
    if isinstance(found, sqlalchemy.MetaData):
        return " ".join(sorted(found.tables))
    if isinstance(found, sqlalchemy.Table):
        return " ".join(found.columns.keys())
    if inspect.isclass(found) and issubclass(found, enum.Enum):
        return " ".join(member.name for member in found)
    if inspect.isclass(found) and issubclass(found, BaseException):
        return f"an error, and a {found.__base__.__name__}"
    if names := getattr(found, "__record_annotations__", None):  # its constructor is made at its first use
        return f"({', '.join(names)})"
    if callable(found):
        return arguments(found)
    if isinstance(found, dict):
        return " ".join(sorted(getattr(key, "name", str(key)) for key in found))
    if isinstance(found, set | frozenset):
        return " ".join(sorted(getattr(one, "name", str(one)) for one in found))
    return repr(found)


def arguments(function: Any) -> str:
    """The names of arguments, those with a default marked; no annotations, which are written in many ways."""
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    shown = [
        marks.get(one.kind, "") + name + ("" if one.default is inspect.Parameter.empty else "=")
        for name, one in inspect.signature(function).parameters.items()
    ]
    return f"({', '.join(shown)})"


PARTS = [
    Part(where, seen, used_by)
    for used_by, parts in tomllib.loads(Path(__file__).with_name("parts.toml").read_text()).items()
    for where, seen in parts.items()
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.where)
def test_a_private_part_is_what_it_was(part: Part) -> None:
    try:
        now = looks(part.where)
    except (ImportError, AttributeError) as error:
        now = f"gone ({error})"
    module = (DOOR / part.used_by).relative_to(REPOSITORY)
    assert now == part.looks, (
        f"{part.where} has changed with this version of Dagster: see that what {module} does with it still"
        " holds (its docstrings say what to look at), then write down in parts.toml what it looks like now"
    )


def test_every_private_part_that_is_used_is_known() -> None:
    known = {(part.used_by, part.where.replace(":", ".")) for part in PARTS}
    used = {
        (path.name, name)
        for path in sorted(DOOR.glob("*.py"))
        for name in private_imports(ast.parse(path.read_text()))
    }
    assert {f"{name} of {path}" for path, name in used - known} == set(), "look at it, and add it to PARTS"


def test_words_are_those_of_dagster() -> None:
    """They are written down in place of an import: each is one that its part has, or is called."""
    words = {value for name, value in vars(names).items() if name.isupper()}
    parts = [part for part in PARTS if part.used_by == "names.py"]
    for part in parts:
        found = {part.looks.strip("'"), part.where.rpartition(":")[2], *part.looks.split()}
        assert len(words & found) == 1, part.where
    assert len(words) == len(parts)


def test_every_module_of_the_door_says_what_to_look_at() -> None:
    """In each docstring of what uses a private part, or in that of its module."""
    silent = []
    for path in sorted({DOOR / part.used_by for part in PARTS}):
        tree = ast.parse(path.read_text())
        texts = [ast.get_docstring(tree) or ""]
        nodes = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
        texts += [ast.get_docstring(one) or "" for one in nodes]
        if not any("ook at" in text or "named beside" in text for text in texts):
            silent.append(path.name)
    assert silent == []


def test_a_part_that_moved_or_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def redirect_to_file(stream: object, filepath: object, mode: str = "a") -> None: ...

    place = importlib.import_module("dagster._core.execution.compute_logs")
    monkeypatch.setattr(place, "redirect_to_file", redirect_to_file)
    changed = next(part for part in PARTS if part.where.endswith(":redirect_to_file"))
    with pytest.raises(AssertionError, match=r"compute_logs:redirect_to_file has changed.*compute_logs\.py"):
        test_a_private_part_is_what_it_was(changed)
    monkeypatch.delattr(place, "redirect_to_file")
    with pytest.raises(AssertionError, match="gone"):
        test_a_private_part_is_what_it_was(changed)
