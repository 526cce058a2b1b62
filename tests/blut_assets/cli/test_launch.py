"""`blut launch`: what it gives nodes, and what it refuses with the remedy."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_assets.cli.commands import checkup
from blut_resources.launchers import probe
from blut_resources.launchers.slurm import Slurm


@pytest.fixture
def launchers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "launchers.toml"
    path.write_text(
        '[here]\nkind = "slurm"\n'
        f'[copies]\nkind = "slurm"\ncheckout = "{tmp_path}/copies"\n'
        f'[byhand]\nkind = "slurm"\ncheckout = "{Path(__file__).parents[3]}"\n'
    )
    path.chmod(0o600)
    monkeypatch.setenv("BLUT_LAUNCHERS", str(path))
    return path


def test_the_source_is_copied_and_a_second_time_it_is_there(launchers: Path) -> None:
    first = CliRunner().invoke(app, ["launch", "sync", "copies", "--json"])
    assert first.exit_code == 0, first.output
    made = json.loads(first.stdout)
    assert made["made"] and (Path(made["path"]) / "blut_assets/cli/commands/launch.py").exists()
    second = CliRunner().invoke(app, ["launch", "sync", "copies"])
    assert second.stdout == f"{made['path']} is there already: nothing was copied\n"


@pytest.mark.parametrize(
    ("profile", "status", "said"),
    [
        ("here", 2, "give it a `checkout`"),
        ("local", 2, "give it a `checkout`"),
        ("byhand", 2, "updated by hand"),
        ("copis", 2, "copies"),
    ],
)
def test_what_has_no_place_for_copies_is_refused(
    launchers: Path, profile: str, status: int, said: str
) -> None:
    done = CliRunner().invoke(app, ["launch", "sync", profile])
    assert done.exit_code == status and said in done.output, done.output


def line(about: str) -> dict[str, str]:
    """What `blut doctor` finds of a launcher."""
    (found,) = [one._asdict() for one in checkup._launchers() if one.about == f"launcher {about}"]
    return found


@pytest.mark.parametrize(
    "said", ["", "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1"]
)
def test_where_no_controller_is_found_doctor_says_where_to_run(
    launchers: Path, home: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("PATH", str(home))
    if said:
        (home / "sinfo").write_text(f"#!/bin/sh\n{said}\n")
        (home / "sinfo").chmod(0o755)
    found = line("here")
    assert (found["state"], found["remedy"]) == ("broken", "run on a login node, or check slurm.conf")
    assert "sinfo cannot be run" in found["found"] or "Unable to contact" in found["found"]


@pytest.mark.parametrize(("given", "said"), [("", "is not given"), ('share = "{tmp}"', "is {tmp}")])
def test_nodes_that_do_not_see_the_share_are_told_with_the_key_its_value_and_what_to_give(
    launchers: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, said: str
) -> None:
    launchers.write_text(f'[here]\nkind = "slurm"\n{given}\n'.replace("{tmp}", str(tmp_path)))
    monkeypatch.setattr(Slurm, "about", lambda _: "Slurm")
    monkeypatch.setattr(probe, "probe", lambda *_: f"a job on n1 {probe.UNSEEN} {home}")
    found = line("here")
    assert found["state"] == "broken" and f"a job on n1 did not see {home}" in found["found"]
    assert f"share of [here] in {launchers} {said.replace('{tmp}', str(tmp_path))}: give" in found["remedy"]
