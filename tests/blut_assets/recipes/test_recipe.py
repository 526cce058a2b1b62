"""Every shipped recipe loads, and refuses what it does not understand."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import dagster as dg
import pytest
import yaml

from blut_assets.building import assemble
from blut_assets.definitions import defs, discovered
from blut_assets.discovery import discover
from blut_assets.recipes import ArgsError, Recipe
from blut_assets.wiring import WiringError
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.forked import RUN, server

RECIPES = [recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes]
JOINT = next(recipe for recipe in RECIPES if recipe.name == "lamquant_joint_codec")
CONFIGS = sorted(REPOSITORY.glob("cookbooks/*/configs/args_*.yaml"))


def test_no_shipped_cookbook_is_left_out() -> None:
    assert discovered.left_out == {}
    assert {recipe.name for recipe in RECIPES} >= {"lamquant_data_prep", "lamquant_joint_codec"}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_a_job_that_makes_its_output(recipe: Recipe) -> None:
    job = defs.resolve_job_def(recipe.name)
    assert job.asset_layer.executable_asset_keys >= {asset.key for asset in recipe.assets}
    assert any(recipe.output.kind in str(asset.metadata_by_key) for asset in recipe.assets)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_every_shipped_args_file_is_accepted(path: Path) -> None:
    """Its first line is the command that it is for."""
    text = path.read_text()
    name = text.partition("blut recipe run ")[2].split()[0]
    recipe = next(recipe for recipe in RECIPES if recipe.name == name)
    assert text.startswith(f"# blut recipe run {name} --args @cookbooks/") and f"/{path.name}\n" in text
    assert recipe.run_config(recipe.parse(yaml.safe_load(text)))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "required argument 'edf_root' is missing"),
        ({"edf_root": ""}, "required argument 'edf_root' is missing"),
        ({"edf_root": "x", "epoch": 3}, "unknown argument 'epoch' = 3; known arguments: "),
        ({"edf_root": "x", "tier": 9}, "argument 'tier' = 9: Value error, must be 1, 2, 3, 4 or all"),
        ({"edf_root": "x", "tier": 9}, "allowed: 1 or 2 or 3 or 4 or 'all'"),
        ({"edf_root": "x", "epochs": 0}, "allowed: int >= 1"),
        ({"edf_root": "x", "lr": -1.0}, "argument 'lr' = -1.0"),
        ({"edf_root": "x", "preset": "huge"}, "allowed: 'smoke' or 'fast' or 'medium' or 'production'"),
        ({"edf_root": "x", "promote_as": "noat"}, "promote_as = 'noat': give lamquant-joint@ALIAS"),
        ({"edf_root": "x", "change_class": "Z.9"}, "change_class is 'Z.9'"),
        ({"edf_root": "x", "change_id": "a/b"}, "change_id"),
        ({"edf_root": "x", "registry": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"edf_root": "x", "epochs": "many"}, "argument 'epochs' = 'many'"),
    ],
)
def test_bad_args_are_refused_naming_field_value_and_range(args: dict[str, object], words: str) -> None:
    with pytest.raises(ArgsError) as refused:
        JOINT.parse(args)
    assert words in str(refused.value)


def test_the_ui_is_refused_the_same_values() -> None:
    job = defs.resolve_job_def(JOINT.name)
    with pytest.raises(dg.DagsterInvalidConfigError, match="epoch"):
        dg.validate_run_config(job, {"edf_root": "x", "epoch": 3})
    with pytest.raises(ArgsError, match=r"argument 'tier' = 9: .* allowed: 1 or 2 or 3 or 4 or 'all'"):
        job.execute_in_process({"edf_root": "x", "tier": 9}, instance=dg.DagsterInstance.ephemeral())
    with pytest.raises(ArgsError, match="promote_as = 'noat'"):
        job.execute_in_process(
            {"edf_root": "x", "promote_as": "noat"}, instance=dg.DagsterInstance.ephemeral()
        )


def _point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="blut.cookbooks")


def test_a_broken_cookbook_is_reported_and_the_others_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken_pack.py").write_text("raise RuntimeError('boom')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = discover(
        [_point("lamquant", "cookbooks.lamquant:cookbook"), _point("broken", "broken_pack:cookbook")]
    )
    assert [cookbook.name for cookbook in found.cookbooks] == ["lamquant"]
    assert found.left_out == {"broken": "RuntimeError: boom"}
    assert "broken_pack" in caplog.text
    assert assemble(found).resolve_job_def("lamquant_joint_codec")


def test_a_cookbook_that_takes_another_ones_names_is_left_out() -> None:
    twice = [_point(name, "cookbooks.lamquant:cookbook") for name in ("one", "two")]
    found = discover(twice)
    assert len(found.cookbooks) == 1
    assert "already called 'lamquant'" in found.left_out["two"]


WRONG_EDGE = """
from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook
from blut_assets.stages import stage_asset
class Pear(Artifact): pass
class Plum(Artifact): pass
@stage_asset(cookbook="fruit", group="a")
def pear(stage) -> Pear: return Pear()
@stage_asset(cookbook="fruit", group="a")
def jam(stage, pear: Plum) -> Plum: return Plum()
@stage_asset(cookbook="fruit", group="a")
def pie(stage, apple: Pear) -> Pear: return Pear()
def cookbook(): return Cookbook("fruit", [pear, jam, pie], [])
"""


def test_a_wrong_edge_is_an_error_with_both_assets_and_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fruit_pack.py").write_text(WRONG_EDGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WiringError) as refused:
        assemble(discover([_point("fruit", "fruit_pack:cookbook")]))
    assert "fruit/jam takes pear: Plum, but fruit/pear makes Pear" in str(refused.value)
    assert "fruit/pie takes apple: Pear from fruit/apple, but no stage asset has that key" in str(
        refused.value
    )


@pytest.mark.slow
def test_a_wrong_edge_fails_definitions_validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fruit_pack.py").write_text(
        WRONG_EDGE + "from blut_assets.building import assemble\n"
        "from blut_assets.discovery import Discovered\n"
        "defs = assemble(Discovered([cookbook()]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "fruit_pack"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "fruit/jam takes pear: Plum, but fruit/pear makes Pear" in done.stdout + done.stderr


@pytest.mark.slow
def test_the_command_lists_shows_and_refuses(home: Path) -> None:
    def blut(*args: str) -> subprocess.CompletedProcess[str]:
        return server(*RUN).run([*BLUT[1:], *args], os.environ, REPOSITORY)

    listed = json.loads(blut("recipe", "list", "--json").stdout)
    ends = {row["name"]: (row["category"], row["backend"], row["output"]) for row in listed}
    assert ends["lamquant_joint_codec"] == ("train", "lamquant", "pccp_verdict")
    assert ends["lamquant_data_prep"] == ("data-prep", "lamquant", "lma_corpus")
    assert ends["finetune_from_dataset"] == ("train", "lamu", "model.gguf")
    assert ends["hf_finetune_from_dataset"] == ("train", "hf_trainer", "checkpoint.hf")
    assert ends["eval_suite"] == ("eval", "lamu", "eval.report")
    assert "tier" in blut("recipe", "show", "lamquant_joint_codec").stdout
    assert blut("recipe", "show", "nothing").returncode == 2
    refused = blut("recipe", "run", "lamquant_joint_codec", "--args", "{not json")
    assert refused.returncode == 2 and "--args" in refused.stderr
    planned = blut("plan", "lamquant_joint_codec", "--args", '{"edf_root": "/nowhere"}')
    assert planned.returncode == 1 and "'/nowhere' is not a directory" in planned.stderr


def test_the_control_plane_imports_no_training_library() -> None:
    script = "import sys, blut_assets.definitions, blut_assets.cli.app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"torch", "transformers", "trl", "numba", "scipy", "numpy", "edfio", "matplotlib"}
    heavy |= {"peft", "datasets", "accelerate", "tokenizers", "gguf", "llama_cpp"}
    assert heavy & set(loaded) == set()


def test_a_cookbook_that_is_left_out_is_reported_once(home: Path, tmp_path: Path) -> None:
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[blut.cookbooks]\nbroken = broken_pack:cookbook\n")
    (tmp_path / "broken_pack.py").write_text("raise RuntimeError('boom')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for command in (["recipe", "list"], ["plan", JOINT.name, "--set", "edf_root=/x"], ["doctor"]):
        done = subprocess.run([*BLUT, *command], env=environment, capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert said.count("boom") == 1, said
