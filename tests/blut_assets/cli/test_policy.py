"""`blut policy enable`, from nothing to a file that only its owner completes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from sensors.policy.fields import Policy


@pytest.fixture(autouse=True)
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(tmp_path / "policy.toml"))
    return tmp_path / "policy.toml"


def give(*words: str) -> Result:
    return CliRunner().invoke(app, ["policy", *words])


def test_alone_it_writes_all_but_the_recipe_and_says_so(policy: Path) -> None:
    enabled = give("enable")
    assert enabled.exit_code == 1 and "fill in the line recipe" in enabled.stderr
    text = policy.read_text()
    assert all(f"{name} = " in text for name in Policy.model_fields if name != "args")
    assert 'recipe = ""' in text and 'max_age = "30d"' in text
    checked = give("check")
    assert checked.exit_code == 1 and f'fill in the line recipe = "NAME" of {policy}' in checked.stdout
    policy.write_text(
        text.replace('recipe = ""', 'recipe = "lamquant_data_prep"\nargs = {edf_root = "/tmp"}')
    )
    assert "there is no recipe" not in give("check").stdout


def test_what_is_set_takes_the_place_of_its_sample(policy: Path) -> None:
    args = ("--recipe", "lamquant_data_prep", "--args", '{"edf_root": "/tmp"}')
    assert give("enable", *args, "--new-recordings", "3", "--cooldown", "12h").exit_code == 0
    text = policy.read_text()
    assert text.count("new_recordings = ") == 1 and "\nnew_recordings = 3\n" in text
    assert '\ncooldown = "12h"\n' in text and "# max_age = " in text


def test_a_file_of_settings_is_written_by_its_whole_path(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.yaml").write_text("edf_root: /tmp\nworkers: 1\n")
    words = ("--recipe", "lamquant_data_prep", "--config")
    refused = give("enable", *words, "nigth", "--max-age", "1d")
    assert refused.exit_code == 2 and "--config nigth: there is no nigth.yaml" in refused.stderr
    assert give("enable", *words, "./night.yaml", "--max-age", "1d").exit_code == 0
    assert f'\nconfig = ["{tmp_path / "night.yaml"}"]\n' in policy.read_text()


def test_new_annotations_are_asked_for_only_of_a_recipe_that_learns_from_them(policy: Path) -> None:
    args = ("--args", '{"edf_root": "/tmp"}', "--new-annotated", "5")
    refused = give("enable", "--recipe", "lamquant_joint_codec", *args)
    assert refused.exit_code == 2 and not policy.exists()
    words = "policy enable: new_annotated = 5: lamquant_joint_codec learns nothing from annotations"
    assert words in refused.stderr and "lamquant_data_prep" in refused.stderr
    assert give("enable", "--recipe", "lamquant_data_prep", *args).exit_code == 0
    assert "\nnew_annotated = 5\n" in policy.read_text()


def test_a_deadline_that_has_passed_is_refused(policy: Path) -> None:
    args = {"edf_root": "/tmp", "deadline": "2020-01-01T07:30"}
    refused = give("enable", "--recipe", "lamquant_data_prep", "--args", json.dumps(args))
    assert refused.exit_code == 2 and not policy.exists()
    assert "deadline = '2020-01-01T07:30': has passed" in refused.stderr


def test_another_recipe_starts_clean(policy: Path) -> None:
    (policy.parent / "rows.jsonl").write_text('{"text": "a"}\n')
    first = ("--recipe", "lamquant_data_prep", "--args", '{"edf_root": "/tmp"}', "--new-recordings", "3")
    assert give("enable", *first, "--cooldown", "12h").exit_code == 0
    args = json.dumps({"dataset_path": str(policy.parent / "rows.jsonl"), "base_model": "sample:smollm2"})
    enabled = give("enable", "--recipe", "eval_suite", "--args", args, "--schedule", "0 3 * * *")
    assert enabled.exit_code == 0, enabled.stderr
    assert "args, cooldown, new_recordings: were for lamquant_data_prep" in enabled.stdout
    text = policy.read_text()
    assert "edf_root" not in text and "12h" not in text and 'schedule = "0 3 * * *"' in text


def test_it_says_how_often_and_when_it_really_starts(policy: Path) -> None:
    args = (
        "--recipe",
        "lamquant_data_prep",
        "--args",
        '{"edf_root": "/tmp"}',
        "--time-zone",
        "Europe/Berlin",
    )
    enabled = give("enable", *args, "--schedule", "0 3 * * *")
    assert enabled.exit_code == 0, enabled.stderr
    assert "it starts at most once in 23 h (schedule 0 3 * * *)" in enabled.stdout
    assert "03:00 (Europe/Berlin), scheduled (0 3 * * *)" in enabled.stdout
    longer = give("enable", "--cooldown", "7d")
    assert (
        "cooldown = 7 d is longer than" in longer.stdout
        and "at most once in 7 d (its cooldown)" in longer.stdout
    )
    before = policy.read_text()
    refused = give("enable", "--schedule", "30 7 * * *")
    assert refused.exit_code == 2 and policy.read_text() == before
    assert (
        "schedule = '30 7 * * *', at 07:30, never falls within start_hours = 02:00 to 06:00" in refused.stderr
    )
    assert give("enable", "--schedule", "30 7 * * *", "--start-hours", "07:00-08:00").exit_code == 0
    (row,) = json.loads(give("check", "--json").stdout)
    assert (
        row["next_start"].endswith(("05:30:00+00:00", "06:30:00+00:00"))
        and "at most once" in row["remarks"][0]
    )


def test_a_file_of_an_older_version_is_read_as_it_is(policy: Path) -> None:
    text = """\
enabled = true
recipe = "lamquant_data_prep"
quiet_hours = ["09:00", "09:00"]  # never
schedule = "30 7 * * *"
args = {edf_root = "/tmp"}
"""
    policy.write_text(text)
    checked = give("check")
    assert checked.exit_code == 1 and policy.read_text() == text
    assert f"{policy}:3: quiet_hours is called start_hours now; it is read as that" in checked.stderr
    assert "wait: start hours are 09:00 to 09:00 (equal: never)" in checked.stdout
    assert "never falls within start_hours = 09:00 to 09:00" in checked.stdout
    assert give("enable", "--start-hours", "any").exit_code == 0
    assert "quiet_hours" not in policy.read_text() and "start_hours = []" in policy.read_text()
    policy.write_text(text + "start_hours = []\n")
    assert "quiet_hours is the old name of start_hours: take one" in give("check").stderr
