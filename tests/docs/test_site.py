"""`make docs` builds pages that work from a disk, with every link, and with all that the code has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from blut_assets.cli.app import app
from blut_assets.discovery import discover
from blut_assets.stages.spec import spec_of
from docs.generate.api import API
from docs.generate.commands import walk
from docs.generate.variables import REPOSITORY as SOURCE
from docs.generate.variables import read_in
from tests.conftest import REPOSITORY
from tests.docs.site import dead_links, foreign, page, words

pytestmark = pytest.mark.slow
FOUND = discover()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs")
    done = make(out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{out}/html/index.html" in done.stdout
    return out / "html"


def make(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = ["make", "-o", "setup", "docs", f"VENV={sys.prefix}", f"DOCS={out}", *words]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert list(foreign(site)) == []


def test_every_link_leads_somewhere(site: Path) -> None:
    assert list(dead_links(site)) == []


def test_what_is_looked_for_is_found(tmp_path: Path) -> None:
    """A foreign font, a missing script, a link to a page and one to a place that are not there."""
    (tmp_path / "style.css").write_text(
        "@import 'https://fonts.example/x.css'; a { background: url(no.png) }"
    )
    (tmp_path / "other.html").write_text('<h1 id="there">x</h1>')
    (tmp_path / "index.html").write_text(
        '<link href="//fonts.example/x"><script src="no.js"></script><a href="other.html#there">good</a>'
        '<a href="other.html#gone">bad</a><a href="gone.html">bad</a><a href="#no">bad</a>'
        '<svg><a href="gone.svg">bad</a></svg><a href="https://example.org">elsewhere</a>'
    )
    assert [said.split(" loads ")[1] for said in foreign(tmp_path)] == [
        "//fonts.example/x",
        "no.js, which is not there",
        "https://fonts.example/x.css",
        "no.png, which is not there",
    ]
    assert [said.split(": ")[1] for said in dead_links(tmp_path)] == [
        "other.html#gone",
        "gone.html",
        "#no",
        "gone.svg",
    ]


def test_each_recipe_is_there_with_its_args(site: Path) -> None:
    said = words(site / "reference/recipes.html")
    for cookbook in FOUND.cookbooks:
        for recipe in cookbook.recipes:
            _, _, section = said.partition(f" {recipe.name}¶ ")
            assert section, recipe.name
            missing = [name for name in recipe.args.model_fields if f" {name} " not in section]
            assert missing == [], recipe.name


def test_each_command_is_there_with_its_options(site: Path) -> None:
    said = words(site / "reference/commands.html")
    for path, command in walk(get_command(app)):
        _, _, section = said.partition(f" {' '.join(path)}¶ ")
        shown = [one for one in command.params if not getattr(one, "hidden", False)]
        options = [option for one in shown for option in one.opts if option.startswith("-")]
        assert section and [option for option in options if option not in section] == [], path


def test_each_variable_is_there(site: Path) -> None:
    said = words(site / "reference/variables.html")
    assert [name for name in read_in(SOURCE) if f" {name} " not in said] == []


def test_each_artifact_is_there_with_its_fields(site: Path) -> None:
    said = words(site / "reference/artifacts.html")
    for cookbook in FOUND.cookbooks:
        for spec in (spec for asset in cookbook.assets if (spec := spec_of(asset))):
            _, _, section = said.partition(f" {spec.output.kind}¶ ")
            assert spec.key.to_user_string() in section
            assert [
                name for name in spec.output.model_fields if name != "digest" and name not in section
            ] == []


def test_each_name_of_the_api_is_a_place_to_link_to(site: Path) -> None:
    targets = page(site / "reference/api.html").targets
    names = [
        f"{module}.{name}" for modules in API.values() for module, names in modules.items() for name in names
    ]
    assert [name for name in names if name not in targets] == []


def test_each_asset_is_in_a_picture_of_its_cookbook(site: Path) -> None:
    for cookbook in FOUND.cookbooks:
        text = (site / f"{cookbook.name}.html").read_text()
        for spec in (spec for asset in cookbook.assets if (spec := spec_of(asset))):
            assert '<text class="name"' in text and f">{spec.key.path[-1]}</text>" in text
            for key in spec.inputs.values():
                assert f"{spec.key.to_user_string()} takes {key.to_user_string()}" in text


@pytest.mark.heavy
def test_two_builds_are_the_same(site: Path, tmp_path: Path) -> None:
    assert make(tmp_path).returncode == 0
    pages = {path.relative_to(site) for path in site.rglob("*.html")}
    assert [
        name for name in pages if (site / name).read_bytes() != (tmp_path / "html" / name).read_bytes()
    ] == []
