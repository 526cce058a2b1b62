"""Every shipped recipe loads, and refuses what it does not understand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from blut_assets.definitions import defs, discovered
from blut_assets.recipes import ArgsError, Recipe
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
        (
            {"edf_root": "x", "epoch": 3},
            "unknown argument 'epoch' = 3 (did you mean 'epochs'?); `blut recipe show ",
        ),
        ({"edf_root": "x", "tier": 9}, "argument 'tier' = 9: must be 1, 2, 3, 4 or all"),
        ({"edf_root": "x", "tier": 9}, "allowed: 1 or 2 or 3 or 4 or 'all'"),
        ({"edf_root": "x", "epochs": 0}, "allowed: int >= 1"),
        ({"edf_root": "x", "lr": -1.0}, "argument 'lr' = -1.0"),
        (
            {"edf_root": "x", "preset": "fst"},
            "'fst': no such choice (did you mean 'fast'?); allowed: 'smoke' or ",
        ),
        (
            {"edf_root": "x", "promote_as": "c@lab"},
            "pccp_registry.yaml is floors of; for a name of your own give",
        ),
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
