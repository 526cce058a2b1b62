"""A path means what it means in the shell: typed once, it is the same place everywhere."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
import pytest
import tomlkit
from pydantic import BaseModel, ValidationError
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from blut_assets.definitions import defs
from blut_assets.paths import AsPath, absolute_paths, typed_in
from blut_resources.instance.instance import open_instance
from cookbooks.lamquant.samples.synthetic import write_synthetic
from sensors.policy.file import policy_path

ROWS = "".join(json.dumps({"prompt": f"{n}", "completion": f"{n}"}) + "\n" for n in range(3))
SPELLINGS = {
    "plain": ("here", "{name}"),
    "dot": ("here", "./{name}"),
    "slash": ("here", "{name}/"),
    "up": ("here/below", "../{name}"),
    "around": ("here", "below/../{name}/."),
    "link": ("here", "link"),
    "through a link": ("here", "elsewhere/../here/{name}"),
    "below a link": (".", "linked/{name}"),
    "home": ("/", "~/here/{name}"),
    "absolute": ("/", "{root}/here/{name}"),
    "dataset": ("/", "data://mine"),
}


@pytest.fixture
def place(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings and rows in ``here``, and links to all of it."""
    here = tmp_path / "here"
    write_synthetic(here / "eeg", 1, 10, 7, channels=("Fp1",))
    (here / "rows").mkdir()
    (here / "rows" / "one.jsonl").write_text(ROWS)
    (here / "below").mkdir()
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "far" / "here").symlink_to(here)
    (here / "elsewhere").symlink_to(tmp_path / "far" / "away")  # its parent is not `here`
    (tmp_path / "linked").symlink_to(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(tmp_path / "policy.toml"))
    return tmp_path


def _blut(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), prog_name="blut")


@pytest.mark.parametrize(
    ("recipe", "argument", "name", "source"),
    [
        ("lamquant_data_prep", "edf_root", "eeg", "lamquant/recordings"),
        ("hf_finetune_from_dataset", "dataset_path", "rows", "llm/examples"),
    ],
)
def test_every_spelling_is_the_same_place(
    place: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, argument: str, name: str, source: str
) -> None:
    (place / "here" / "link").symlink_to(place / "here" / name)
    assert _blut("data", "add", "mine", str(place / "here" / name)).exit_code == 0
    more = [] if recipe.startswith("lamquant") else ["--set", "output_name=x"]
    found: dict[str, str | None] = {}
    for spelling, (where, text) in SPELLINGS.items():
        monkeypatch.chdir(place / where)
        typed = f"{argument}={text.format(name=name, root=place)}"
        done = _blut("plan", recipe, "--set", typed, *more, "--json")
        row = next(row for row in json.loads(done.stdout) if row["asset"] == source)
        found[spelling] = row["digest"] or row["reason"]
        assert done.exit_code == 0, (spelling, done.stdout)
    assert len(set(found.values())) == 1 and len(found["plain"] or "") == 64, found


def test_a_run_keeps_the_whole_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it can be run again, from the UI, where nobody knows where it was typed."""
    monkeypatch.chdir(place / "here")
    made = _blut("stage", "run", "lamquant/recordings", "--config", '{"edf_root": "below/../eeg"}')
    assert made.exit_code == 0, made.output
    with open_instance() as instance:
        config: Any = instance.get_runs(limit=1)[0].run_config
        assert config["ops"]["lamquant__recordings"]["config"] == {"edf_root": str(place / "here" / "eeg")}


def test_dagsters_own_command_takes_it_as_the_shell_does(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place / "here")
    job = defs.resolve_implicit_global_asset_job_def()
    ops = {"ops": {"lamquant__recordings": {"config": {"edf_root": "./eeg/"}}}}
    with open_instance() as instance:
        key = next(key for key in job.asset_layer.executable_asset_keys if key.path[-1] == "recordings")
        assert job.execute_in_process(ops, instance=instance, asset_selection=[key]).success


def test_a_server_refuses_what_is_relative_to_nowhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place / "here")
    monkeypatch.setattr(sys, "argv", ["dagster", "api", "grpc"])
    job = defs.resolve_job_def("lamquant_data_prep")
    with open_instance() as instance, pytest.raises(Exception) as refused:
        job.execute_in_process({"edf_root": "eeg"}, instance=instance)
    assert "is relative" in str(refused.value) and str(place / "here" / "eeg") in str(refused.value)


@pytest.mark.parametrize("what", ["plan", "dry run", "json"])
def test_a_plan_that_cannot_look_fails_and_says_why(home: Path, tmp_path: Path, what: str) -> None:
    words = ["lamquant_data_prep", "--set", f"edf_root={tmp_path}/nowhere"]
    done = {
        "plan": lambda: _blut("plan", *words),
        "dry run": lambda: _blut("recipe", "run", *words, "--dry-run"),
        "json": lambda: _blut("plan", *words, "--json"),
    }[what]()
    assert done.exit_code == 1
    assert f"'{tmp_path}/nowhere' is not a directory" in done.stdout + done.stderr
    assert "0 would be computed" not in done.stdout


def test_a_plan_of_what_the_first_run_builds_is_no_failure(home: Path) -> None:
    done = _blut("plan", "lamquant_data_prep", "--set", "edf_root=synthetic:subjects=3,seconds=30,seed=1")
    assert done.exit_code == 0 and "the first run builds it" in done.stdout


def test_a_policy_keeps_where_it_is_and_not_how_it_was_typed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "data").symlink_to(place / "here")  # a link may lead to another disk tomorrow
    monkeypatch.chdir(place / "here" / "below")
    args = {"edf_root": "../../data/eeg/", "workers": 1}
    words = ["policy", "enable", "--recipe", "lamquant_data_prep", "--new-recordings", "1"]
    done = _blut(*words, "--args", json.dumps(args))
    assert done.exit_code == 0, done.output
    kept = tomlkit.parse(policy_path().read_text())["args"]
    assert kept == {"edf_root": str(place / "data" / "eeg"), "workers": 1}
    monkeypatch.chdir("/")
    checked = _blut("policy", "check", "--json")
    assert "not a directory" not in checked.stdout + checked.stderr, checked.output


def test_a_policy_of_what_is_not_there_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    words = ["policy", "enable", "--recipe", "lamquant_data_prep", "--new-recordings", "1"]
    done = _blut(*words, "--args", '{"edf_root": "eeg"}')
    assert done.exit_code == 2 and f"edf_root = '{place / 'eeg'}': no such file or directory" in done.stderr
    assert not policy_path().exists()


def test_a_policy_written_by_hand_with_a_relative_path_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place / "here")
    policy_path().write_text(
        'enabled = true\nrecipe = "lamquant_data_prep"\nargs = {edf_root = "eeg"}\nnew_recordings = 1\n'
    )
    policy_path().chmod(0o600)
    done = _blut("policy", "check")
    assert done.exit_code == 2 and "'eeg': is relative" in done.stderr, done.output


def test_a_dataset_that_has_changed_is_said(place: Path) -> None:
    """Also when its path is typed; it is no refusal, since many a dataset is there to grow."""
    rows = place / "here" / "rows"
    assert _blut("data", "add", "mine", str(rows)).exit_code == 0
    config = json.dumps({"path": str(rows)})
    assert "has changed" not in _blut("stage", "run", "llm/examples", "--config", config).output
    with (rows / "one.jsonl").open("a") as file:
        file.write(ROWS)
    words = ["hf_finetune_from_dataset", "--set", "dataset_path=data://mine", "--set", "output_name=x"]
    assert "the dataset mine has changed since it was added" in _blut("plan", *words).stdout
    assert _blut("stage", "run", "llm/examples", "--config", config).exit_code == 0
    with open_instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["llm", "examples"]))
        assert event and event.asset_materialization
        assert "has changed" in str(event.asset_materialization.metadata["dataset"].value)


class _Form(BaseModel):
    one: Annotated[str, AsPath(("sample:",))] = ""
    many: Annotated[list[str], AsPath()] = []
    named: Annotated[dict[str, str], AsPath()] = {}


def test_members_of_lists_and_objects_are_paths_too(tmp_path: Path) -> None:
    with typed_in(tmp_path):
        form = _Form(one="sample:x", many=["a", ""], named={"b": "b/"})
        assert form == _Form(one="sample:x", many=[str(tmp_path / "a"), ""], named={"b": str(tmp_path / "b")})
        assert absolute_paths(_Form, {"many": ["a/../b"], "other": "a"}) == {
            "many": [str(tmp_path / "b")],
            "other": "a",
        }


@pytest.mark.parametrize("text", ["loop/x", "~nobody-of-that-name/x", "a\0b"])
def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with typed_in(tmp_path), pytest.raises(ValidationError):
        _Form(one=text)


def test_the_directory_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr("blut_resources.files.here._last", [])  # a process that began in it
    with pytest.raises(ValidationError):
        _Form(one="x")
    assert _Form(one="/x").one == "/x"
