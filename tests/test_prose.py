"""Docstrings stand alone in a hover: each is a sentence, and begins with what is done, said or held."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("blut_resources", "blut_assets", "sensors", "cookbooks")
VERBS = """
Add Admit Answer Append Apply Ask Be Become Believe Bisect Bring Build Call Carry Change Check Choose Close
Collect Compare Compile Complete Compute Confine Continue Convert Copy Count Cut Decide Declare Decode
Decompress Define Delete Deliver Describe Digest Do Draw Drop Dump Encode End Estimate Evaluate Fetch Fill
Filter Find Fit Flatten Flush Follow Forget Fork Free Give Go Grade Grant Group Grow Guard Hand Handle Hash
Have Help Hold Ignore Implement Import Index Install Join Judge Keep Kill Label Launch Lead Learn Leave Let
Limit List Listen Load Look Make Map Mark Materialize Mean Measure Merge Mount Move Name Normalise Note
Notice Observe Open Order Pack Parse Pass Pick Pin Plan Prepare Print Process Promote Put Quantise Queue
Raise Rank Read Recognise Record Redirect Refuse Register Remember Remove Render Replace Report Require
Resolve Restore Resume Retire Retrain Return Round Run Sample Say Score Seal See Select Send Serve Set Share
Show Shrink Signal Simulate Sketch Slice Sort Speak Split Stand Start Step Stop Store Stream Subtract Sum
Summarise Supervise Take Tell Test Tokenise Train Travel Try Turn Undo Unpack Update Validate Verify Wait
Write Yield
"""
"""What a docstring may begin with, as it stands (``Write``) or as ``Writes``. Add a verb that is missing."""
KNOWN = frozenset(VERBS.split())
NOUN = re.compile(
    "(Count|Digest|Group|Label|Limit|List|Mean|Name|Note|Order|Process|Record|Sample|Score|Signal|Slice|Step)"
    "(s|es)? (of|and|over) "
)
"""Many a verb is a noun as well: ``Names of files``, ``Mean and worst``."""
BANNED = re.compile(
    r"The same\b|Both\b|As [`\w]|Whether\b|What\b|None\b|It\b|Of\b|Once\b|Returns (the )?same[.,]"
)
"""Openings that need something else to be read first, or that are no sentence."""
IS_NO = re.compile(r"(?<![Tt]here )\b(?:is|are|was|were) no (?!longer\b|more\b|such\b)\w+")
"""``is not a number`` is said, and not ``is no number``; ``there is no number`` is something else."""
SHOWN = frozenset({"stage_asset", "asset_check", "command", "callback"})
"""Decorators of functions whose docstring is for users: a description in the UI, the help of a command."""


class Documented(NamedTuple):
    """A module, class or function, and what is said of it."""

    file: str
    name: str
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    text: str | None

    @property
    def where(self) -> str:
        return f"{self.file}:{getattr(self.node, 'lineno', 1)} {self.name}".rstrip()

    @property
    def first(self) -> str:
        return " ".join((self.text or "").partition("\n\n")[0].split())

    @property
    def is_public(self) -> bool:
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def is_shown(self) -> bool:
        """Whether users read it: what an artifact is, what an asset does, what a command does."""
        if isinstance(self.node, ast.ClassDef):
            parts = Path(self.file).with_suffix("").parts
            return "artifacts" in parts and parts[0] != "blut_resources"
        if isinstance(self.node, ast.Module):
            return False
        first = [ast.unparse(one.annotation) for one in self.node.args.args[:1] if one.annotation]
        called = {ast.unparse(one).partition("(")[0].rpartition(".")[2] for one in self.node.decorator_list}
        return first == ["Stage"] or bool(called & SHOWN)


def _inside(file: str, node: ast.AST, name: str) -> Iterator[Documented]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield Documented(file, name, node, ast.get_docstring(node))
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _inside(file, child, f"{name}.{child.name}".lstrip("."))


@cache
def everything() -> list[Documented]:
    files = [file for package in PACKAGES for file in sorted((REPOSITORY / package).rglob("*.py"))]
    return [
        one
        for file in files
        for one in _inside(str(file.relative_to(REPOSITORY)), ast.parse(file.read_text()), "")
    ]


def begins_with_a_verb(text: str) -> bool:
    if NOUN.match(text):
        return False
    word = re.split(r"[\s,:;.]", text, maxsplit=1)[0]
    forms = {word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word)}
    return bool(forms & KNOWN)


def lacking() -> list[str]:
    """Public names without a docstring, but for methods that a base, or a protocol, has told of."""
    bases: dict[str, list[str]] = defaultdict(list)
    told: dict[str, set[str]] = defaultdict(set)
    for one in everything():
        if isinstance(one.node, ast.ClassDef):
            bases[one.node.name] += [
                ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in one.node.bases
            ]
        elif "." in one.name and one.text:
            told[one.name.split(".")[-2]].add(one.name.rpartition(".")[2])
    promised = {name for kind, names in told.items() if "Protocol" in bases[kind] for name in names}

    def is_told(kind: str, method: str) -> bool:
        return any(base not in bases or method in told[base] or is_told(base, method) for base in bases[kind])

    found: list[str] = []
    for one in everything():
        if one.text or not one.is_public or Path(one.file).name.startswith("test_"):
            continue
        kind, _, method = one.name.rpartition(".")
        kind = kind.rpartition(".")[2]
        if kind and (method in promised or is_told(kind, method) or _is_setter(one)):
            continue
        found.append(one.where)
    return found


def _is_setter(one: Documented) -> bool:
    return any(ast.unparse(each).endswith(".setter") for each in getattr(one.node, "decorator_list", ()))


def test_everything_public_is_told_of() -> None:
    assert lacking() == []


def test_a_docstring_is_a_sentence_that_stands_alone() -> None:
    wrong: list[str] = []
    for one in everything():
        if not one.text or one.is_shown:
            continue
        if not re.search(r"[.][`')\"]*$", one.first):
            wrong.append(f"{one.where}: no full stop: {one.first}")
        if BANNED.match(one.first):
            wrong.append(f"{one.where}: banned opening: {one.first}")
        elif not begins_with_a_verb(one.first):
            wrong.append(f"{one.where}: no verb to begin with: {one.first}")
    assert not wrong, "\n".join(wrong)


def test_what_is_not_something_is_not_a_something() -> None:
    found = [
        f"{one.where}: {what}"
        for one in everything()
        for what in IS_NO.findall(" ".join((one.text or "").split()))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("Returns the bytes.", True),
        ("Write it down.", True),
        ("Copies a file.", True),
        ("Digest of a file.", False),
        ("Bytes of a file.", False),
        ("The bytes.", False),
        ("Whether it is so.", False),
    ],
)
def test_a_noun_is_told_from_a_verb(text: str, stands: bool) -> None:
    assert begins_with_a_verb(text) is stands
