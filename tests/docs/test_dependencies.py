"""The page on dependencies names what `pyproject.toml` names, by extra, with the same ranges."""

import re
import tomllib

from packaging.requirements import Requirement

from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/dependencies.md").read_text()
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WITH_OTHERS = {"postgres": "Other extras", "hpo": "Other extras", "remote": "Other extras"}
OURS = "For who works on Blut"


def asked(lines: list[str]) -> list[tuple[str, frozenset[str]]]:
    found = [Requirement(line) for line in lines]
    return [(one.name, frozenset(map(str, one.specifier))) for one in found]


def test_each_dependency_has_its_row_and_each_row_its_dependency() -> None:
    wanted = {"Base": asked(PROJECT["dependencies"])}
    for name, lines in EXTRAS.items():
        section = OURS if name in ("dev", "docs") else WITH_OTHERS.get(name, f"Extra `{name}`")
        wanted.setdefault(section, []).extend(asked(lines))
    told: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for part in PAGE.split("\n## ")[1:]:
        rows = re.findall(r"^\| ([\w.-]+) \| `([^`]+)` \| [\d.]+ \| \d+ \| ", part, re.MULTILINE)
        if rows:
            found = [(name, frozenset(ranges.split(","))) for name, ranges in rows]
            told[part.split("\n", 1)[0]] = found
    assert {name: sorted(rows, key=str) for name, rows in told.items()} == {
        name: sorted(rows, key=str) for name, rows in wanted.items()
    }
