"""The map names every package of the house, and nothing that does not exist."""

import re

import pytest

from tests.conftest import REPOSITORY

MAP = (REPOSITORY / "docs/map.md").read_text()
ROOTS = ("blut_assets", "blut_resources", "cookbooks", "sensors", "docs")
TEMPLATE = REPOSITORY / "blut_assets/new_cookbook/template"
NAMED = sorted(
    set(re.findall(r"`((?:blut_assets|blut_resources|cookbooks|sensors|docs|tests|bench)/[\w./-]*)`", MAP))
)
PLACED = re.findall(r"((?:`[\w.]+`(?:, | and ))*`[\w.]+`),? (?:in|of) `([\w/]+\.py)`", MAP)


def packages() -> list[str]:
    found = (path.parent for root in ROOTS for path in (REPOSITORY / root).rglob("__init__.py"))
    return sorted(f"{path.relative_to(REPOSITORY)}/" for path in found if TEMPLATE not in path.parents)


@pytest.mark.parametrize("package", packages())
def test_each_package_has_a_row(package: str) -> None:
    assert f"\n| `{package}` | " in MAP


@pytest.mark.parametrize("path", NAMED)
def test_each_path_exists(path: str) -> None:
    assert (REPOSITORY / path).exists()


def test_each_name_is_in_the_file_that_is_said() -> None:
    assert len(PLACED) >= 8
    for names, path in PLACED:
        text = (REPOSITORY / path).read_text()
        for name in re.findall(r"`(?:\w+\.)?(\w+)`", names):
            assert re.search(rf"^\s*(?:def|class) {name}\b|^{name} = ", text, re.MULTILINE), (
                f"{name} in {path}"
            )


def test_it_answers_where_to_change_things() -> None:
    _, _, answers = MAP.partition("\n## Where would I change")
    rows = [
        line for line in answers.splitlines() if line.startswith("| ") and not line.startswith("| what |")
    ]
    assert len(rows) > 40
    assert [row for row in rows if "`" not in row.split(" | ")[1]] == []
