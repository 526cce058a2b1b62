"""What README and the pages show can be typed: commands, args, settings and programs."""

import ast
import contextlib
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from typer.main import get_command

from blut_assets.cli.app import app
from blut_assets.discovery import discover
from blut_assets.recipes import Recipe
from blut_assets.stages.spec import spec_of
from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from sensors.alerts.settings import usable
from sensors.housekeeping.policy import read_policy
from sensors.policy.file import parse
from tests.conftest import REPOSITORY
from tests.cookbooks.lamquant.codec_support import eeg_like
from tests.cookbooks.lamquant.lqc.plane_case import model_of
from tests.docs.pages import PAGES, Block, blocks, commands, words_as_code

ROOT: Any = get_command(app)
RECIPES: dict[str, Recipe] = {one.name: one for book in discover().cookbooks for one in book.recipes}
OURS = {"blut_assets", "blut_resources", "cookbooks", "sensors"}
INSIDE = "docs/inside-your-project.md"
MADE = ("plants_classifier", "sites_joint_codec", "sites_joint_report")
"""Recipes of cookbooks that a page makes."""
"""A test of its own types it."""
PATH = re.compile(r"(?<![\w/])(?:cookbooks|blut_assets|blut_resources|sensors|tests)/[\w./-]+")
NAME = re.compile(r"(?:cookbooks|blut_assets|blut_resources|sensors)(?:\.\w+)+")


def parameters(line: str) -> tuple[list[str], dict[str, Any]]:
    """The words that name the command, and the values that the line gives it."""
    words, command, context, path = shlex.split(line), ROOT, None, []
    while hasattr(command, "commands"):
        context = command.make_context("blut", list(words), parent=context)
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        path.append(name)
    return path, command.make_context(path[-1], list(words), parent=context).params


def test_there_are_many_commands() -> None:
    assert len(commands()) > 50


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_each_command_line_is_one(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("workspace.yaml", "my-floors.yaml", "talks.jsonl"):
        Path(name).touch()
    path, given = parameters(line)
    recipe = RECIPES.get(given.get("name") or given.get("recipe") or "")
    text = given.get("args") or "{}"
    ours = given.get("name") not in MADE
    if ours and ((path[0] == "recipe" and "name" in given) or given.get("recipe")):
        assert recipe, line
    if recipe and text.startswith("{") and text != "{}":
        floors = REPOSITORY / "cookbooks/lamquant/configs/pccp_registry.yaml"
        Path("my-floors.yaml").write_text(floors.read_text().replace("lamquant-joint", "clinic-codec"))
        recipe.parse(json.loads(text))
    if recipe and text.startswith("@cookbooks"):
        recipe.parse(yaml.safe_load((REPOSITORY / text[1:]).read_text()))


@pytest.mark.parametrize("block", blocks("bash", "text"), ids=str)
def test_each_other_command_names_what_exists(block: Block) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", block.text, re.MULTILINE)) <= targets
    if block.page != INSIDE:  # its jobs are those of the files that it shows
        assert set(re.findall(r"(?:--job|-j) (\w+)", block.text)) <= RECIPES.keys()
    for path in PATH.findall(block.text):
        assert (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "SECURITY.md"], ids=lambda page: page.name)
def test_each_file_and_name_in_a_sentence_exists(page: Path) -> None:
    for text in words_as_code(page):
        if path := PATH.fullmatch(text):
            assert (REPOSITORY / path[0]).exists(), text
        elif NAME.fullmatch(text) and not text.endswith(".py"):
            assert thing(text), text


def thing(name: str) -> Any:
    """What a dotted name stands for: a module, or something in one."""
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.import_module(name)
    module, _, attribute = name.rpartition(".")
    return getattr(thing(module), attribute)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_each_program_compiles_and_imports_what_exists(block: Block) -> None:
    for node in ast.parse(block.text).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OURS:
            exec(compile(ast.Module([node], []), str(block), "exec"), {})


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_each_settings_file_is_accepted(block: Block, tmp_path: Path) -> None:
    (tmp_path / "file.toml").write_text(block.text)
    if "[[hook]]" in block.text:
        settings, problems = usable(tmp_path / "file.toml")
        assert [hook.name for hook in settings.hook] == ["desk", "log", "team", "phone"] and not problems
    elif "enabled" in block.text:
        policies = parse(block.text, tmp_path / "file.toml")
        assert all(RECIPES[policy.recipe].parse(policy.args) for policy in policies.values())
    elif "keep_days" in block.text:
        (tmp_path / "file.toml").rename(tmp_path / "housekeeping.toml")
        assert read_policy(tmp_path).bounds_runs
    else:
        tomllib.loads(block.text)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_each_config_of_assets_is_accepted(block: Block) -> None:
    assets = [asset for one in RECIPES.values() for asset in one.assets]
    specs = {"__".join(spec.key.path): spec for asset in assets if (spec := spec_of(asset))}
    for name, given in yaml.safe_load(block.text).get("ops", {}).items():
        assert specs[name].config(**given["config"])


@pytest.mark.parametrize("block", blocks("ini"), ids=str)
def test_each_unit_is_one(block: Block, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    unit = tmp_path / "blut.service"
    here = block.text.replace("%h/blut/.venv/bin", str(Path(sys.executable).parent))
    unit.write_text(here.replace("%h/blut", str(REPOSITORY)))
    checked = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_each_link_to_a_file_leads_to_one(page: Path) -> None:
    """Also where a page is read as it is, on a website for code."""
    parsed = MarkdownIt("commonmark").enable("table").parse(page.read_text())
    tokens = [child for token in parsed for child in token.children or []]
    links = [str(token.attrs["href"]) for token in tokens if token.type == "link_open"]
    for link in links:
        path, _, place = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if place:
            text = target.read_text()
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            places = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
            assert place in places or "<!-- generated:" in text, link


def test_the_program_that_encodes_and_decodes_does(tmp_path: Path) -> None:
    (program,) = [block.text for block in blocks("python") if "checkpoint_of(" in block.text]
    model = tmp_path / "model"
    model.mkdir()
    save_checkpoint(model, model_of(), 0.13, (8, 20), {})
    recording = eeg_like(2, 12.0)
    np.save(tmp_path / "recording.npy", recording)
    shown = "np.save('restored.npy', restored)\nnp.save('second.npy', second)\n"
    (tmp_path / "program.py").write_text(program.replace("lamquant-joint@demo", str(model)) + shown)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    restored = np.load(tmp_path / "restored.npy")
    assert np.array_equal(np.load(tmp_path / "second.npy"), restored[:, 2560:2816])
    assert (restored - recording).std() < 0.2 * recording.std()
