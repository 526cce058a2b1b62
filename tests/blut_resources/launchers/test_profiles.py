"""Names of launchers: what stands behind them, who may say one, and what is refused."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_resources.launchers.base import LauncherError
from blut_resources.launchers.choose import chosen, profile_of
from blut_resources.launchers.profiles import profiles

GPU = '[gpu]\nkind = "slurm"\npartition = "a100"\ngres = "gpu:a100"\noptions = ["--nice=100"]\n'


@pytest.fixture
def launchers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "launchers.toml"
    path.write_text(GPU)
    path.chmod(0o600)
    monkeypatch.setenv("BLUT_LAUNCHERS", str(path))
    monkeypatch.delenv("BLUT_LAUNCHER", raising=False)
    return path


def test_a_name_stands_for_what_its_table_says(launchers: Path) -> None:
    found = profile_of("gpu")
    assert found and (found.kind, found.partition, found.options) == ("slurm", "a100", ("--nice=100",))
    assert profile_of("local") is None and profile_of(None) is None


def test_the_config_wins_over_the_environment_and_that_over_the_stage(
    launchers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (chosen(None), chosen(None, "gpu")) == ("local", "gpu")
    monkeypatch.setenv("BLUT_LAUNCHER", "cpu")
    assert (chosen(None, "gpu"), chosen("local", "gpu")) == ("cpu", "local")
    with pytest.raises(LauncherError, match=r"^\$BLUT_LAUNCHER=cpu: there is no such launcher"):
        profile_of(None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('partiton = "x"', r":6: \[gpu\] partiton: no such key \(did you mean 'partition'\?\)"),
        ('time = "8 hours"', r":6: \[gpu\] time='8 hours': not a duration"),
        ('mem = "lots"', r":6: \[gpu\] mem='lots': not a size"),
        ('checkout = "src/blut"', r":6: \[gpu\] checkout=src/blut: the path is relative"),
        ('transport = "telnet:x"', r":6: \[gpu\] transport = .*run Blut where"),
        ('environment = "stict"', r":6: \[gpu\] environment = 'stict'"),
        ('address = "http://head:8265"', r"\[gpu\] address is a key of kind ray, and its kind is slurm"),
        ('[rays]\nkind = "ray"', r"\[rays\] address is missing; give that of its dashboard"),
        (
            '[rays]\nkind = "ray"\naddress = "head:8265"',
            r":8: \[rays\] address = 'head:8265': give the address",
        ),
    ],
)
def test_what_makes_no_sense_is_told_with_its_line(launchers: Path, line: str, said: str) -> None:
    launchers.write_text(f"{GPU}{line}\n")
    with pytest.raises(LauncherError, match=said):
        profiles(launchers)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('["--niec=1"]', r"did you mean 'nice'\?"),
        ('["--output=/tmp/x"]', "not one of the options"),
        ('["-p x"]', 'write options in full, such as "--nice=100"'),
        ('["--nice=1 --wrap=x"]', "write options in full"),
    ],
)
def test_an_option_that_could_change_what_runs_is_refused(launchers: Path, options: str, said: str) -> None:
    launchers.write_text(f'[gpu]\nkind = "slurm"\noptions = {options}\n')
    with pytest.raises(LauncherError, match=rf":3: \[gpu\] options = .*{said}"):
        profiles(launchers)


def test_a_file_that_others_can_write_is_not_believed(launchers: Path) -> None:
    launchers.chmod(0o666)
    with pytest.raises(LauncherError, match="is not believed: chmod 600"):
        profiles(launchers)


def test_no_run_begins_with_a_launcher_that_there_is_not(launchers: Path, home: Path) -> None:
    args = ("--set", "launcher=gpo", "--set", "edf_root=synthetic:subjects=3,seconds=30,seed=0")
    ended = CliRunner().invoke(app, ["recipe", "run", "lamquant_data_prep", *args])
    assert (
        ended.exit_code == 2
        and "launcher=gpo: there is no such launcher (did you mean 'gpu'?)" in ended.stderr
    )
    assert not list((home / "runs").glob("*"))
