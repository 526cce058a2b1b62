"""`blut launch`: what it gives nodes, and what it refuses with the remedy."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app


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
