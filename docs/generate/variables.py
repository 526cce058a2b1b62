"""Every environment variable that Blut reads: found in the source, described in a file beside the page."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from blut_assets.deployment import RESOURCES
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
    every = {name: row for rows in described.values() for name, row in rows.items()}
    check(read_in(REPOSITORY), set(every))
    check_fields({name: row["field"] for name, row in every.items() if "field" in row})
    sections = []
    for heading, rows in described.items():
        cells = [
            (code(name), code(row.get("field", "")), str(row["default"]), prose(row["meaning"]))
            for name, row in sorted(rows.items())
        ]
        columns = ("variable", "resource", "if not set", "meaning")
        used = columns if any(cell[1] for cell in cells) else (columns[0], *columns[2:])
        shown = cells if len(used) == 4 else [(cell[0], *cell[2:]) for cell in cells]
        sections.append(f"## {heading}\n\n{table(used, shown)}")
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


def check_fields(described: Mapping[str, str]) -> None:
    """Compare the fields of resources that stand in the place of variables with what is described."""
    fields = {
        variable: f"{key}.{field}"
        for key, kind in RESOURCES.items()
        for field, variable in kind.VARIABLES.items()
        if variable.startswith("BLUT_")
    }
    if wrong := sorted(described.items() ^ fields.items()):
        raise UndescribedVariable(
            f"{DESCRIBED.relative_to(REPOSITORY)} and blut_assets/deployment.py: {wrong}"
        )


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
