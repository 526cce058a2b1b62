"""Every environment variable that Blut reads: found in the source, described in a file beside the page."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from docs.generate.markdown import code, prose, table

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("blut_assets", "blut_resources", "cookbooks", "sensors")
DESCRIBED = REPOSITORY / "docs/reference/variables.yaml"
NAME = re.compile(r"(?<![A-Za-z0-9_])BLUT_[A-Z0-9_]*[A-Z0-9](?:_(?![A-Z0-9]))?")


class UndescribedVariable(ValueError):
    """The source and the descriptions of the variables differ."""


def variables() -> str:
    """A table for each heading of the file.

    Raises:
        UndescribedVariable: naming those that the source reads and the file does not describe, and those that
            are described and that nothing reads.
    """
    described: Mapping[str, Mapping[str, Any]] = yaml.safe_load(DESCRIBED.read_text())
    check(read_in(REPOSITORY), {name for rows in described.values() for name in rows})
    sections = []
    for heading, rows in described.items():
        cells = [
            (code(name), str(row["default"]), prose(row["meaning"])) for name, row in sorted(rows.items())
        ]
        sections.append(f"## {heading}\n\n{table(('variable', 'if not set', 'meaning'), cells)}")
    return "\n\n".join(sections)


def check(read: Mapping[str, str], described: set[str]) -> None:
    """Compare what is read, by name with the file that does so, with what is described."""
    lines = [
        f"{name} ({read[name]}) is not described: add it to {DESCRIBED.relative_to(REPOSITORY)}"
        for name in sorted(read.keys() - described)
    ]
    lines += [f"{name} is described, and nothing reads it" for name in sorted(described - read.keys())]
    if lines:
        raise UndescribedVariable("\n".join(lines))


def read_in(root: Path) -> dict[str, str]:
    """The names of variables in the code below a directory, each with the first file that has it.

    Docstrings are left out: they tell of variables and read none. A name that ends with an underscore is the
    beginning of several.
    """
    found: dict[str, str] = {}
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*")):
        if path.suffix in (".py", ".sh"):
            texts = _strings(path) if path.suffix == ".py" else [path.read_text()]
            for name in (name for text in texts for name in NAME.findall(text)):
                found.setdefault(name, str(path.relative_to(root)))
    return found


def _strings(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in alone:
            yield node.value
