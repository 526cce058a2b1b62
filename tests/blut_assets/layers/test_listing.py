"""Every value is told with where it comes from, also what nobody has said."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_assets.layers.listing import MISSING, listed
from blut_assets.layers.resolve import layered
from blut_assets.recipes import ArgsError
from tests.blut_assets.layers.conftest import Write
from tests.blut_assets.recipes.toy import RECIPE


def told(**given: object) -> dict[str, tuple[object, str]]:
    rows = listed(layered(RECIPE, **given))  # type: ignore[arg-type]
    return {".".join(one.path): (one.value, str(one.origin)) for one in rows}


def test_each_value_has_a_place(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("blut.yaml", "# mine\nwords: data\nlimits:\n  cpus: 2\n")
    monkeypatch.setenv("BLUT_MEMORY_MAX", "7G")
    monkeypatch.setenv("BLUT_ARG_NOTE", "x")
    found = told(args='{"retries": 5}', sets=["lr=1e-4"])
    assert found["words"] == (str(tmp_path / "project/data"), f"{file}:2")
    assert found["limits.cpus"] == (2.0, f"{file}:4")
    assert found["limits.memory_max"] == (None, "default of every stage; $BLUT_MEMORY_MAX says 7G")
    assert found["note"] == ("x", "$BLUT_ARG_NOTE")
    assert found["retries"] == (5, "--args") and found["lr"] == (1e-4, "--set lr=1e-4")
    assert found["reuse"] == ("auto", "default of every stage")
    assert {one.partition(".")[0] for one in found} == {*RECIPE.args.model_fields}


def test_what_is_lacking_is_told_and_what_is_wrong_refused(write: Write) -> None:
    assert told()["lr"] == (MISSING, "nobody has given it")
    assert told()["note"] == ("", "default of the recipe")
    with pytest.raises(ArgsError, match="'many'") as raised:
        told(args='{"limits": {"cpus": "many"}}')
    assert "required" not in str(raised.value)


def test_the_command_prints_args_that_can_be_given_again(
    write: Write, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, run = "lamquant_joint_codec", CliRunner()
    write("blut.yaml", f"recipes: {{{name}: {{edf_root: /data/µV, preset: fast, lr: 1e-4}}}}\n")
    plain = run.invoke(app, ["config", "show", name, "--set", "limits.cpus=1"])
    assert plain.exit_code == 0, plain.output
    values = yaml.safe_load(plain.stdout)
    assert values["edf_root"] == "/data/µV" and values["limits"]["cpus"] == 1.0
    again = tmp_path / "again.yaml"
    again.write_text(plain.stdout)
    repeated = run.invoke(app, ["config", "show", name, "--args", f"@{again}", "--json"])
    assert json.loads(repeated.stdout) == {**values, "lr": 1e-4}
    shown = run.invoke(app, ["config", "show", name, "--origin", "--json"])
    rows = {one["key"]: one for one in json.loads(shown.stdout)}
    assert rows["lr"] == {
        **{"key": "lr", "value": 1e-4, "layer": "project", "line": 1},
        **{"origin": f"{tmp_path}/project/blut.yaml:1", "file": f"{tmp_path}/project/blut.yaml"},
    }
    assert rows["tier"]["layer"] == "default" and rows["tier"]["file"] is None
    table = run.invoke(app, ["config", "show", name, "--origin"])
    assert "user: " in table.stderr and "(not there)" in table.stderr and "blut.yaml:1" in table.stdout
    wrong = run.invoke(app, ["config", "show", name, "--set", "sed=1", "--origin"])
    assert wrong.exit_code == 2 and "did you mean 'seed'?" in wrong.stderr
