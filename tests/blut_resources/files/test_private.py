"""What is believed: this user's own and root's, and nothing that anybody else could have written."""

import os
import stat
from pathlib import Path

import pytest

from blut_resources.files.private import NotAFile, distrust, open_file
from blut_resources.instance.home import find_home
from sensors.alerts.settings import AlertSettingsError, usable
from sensors.policy.file import PolicyError, edit, read

STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
HOOK = '[[hook]]\nname = "theirs"\ncommand = ["touch", "/nonexistent"]\n'


def _checkout(folder: Path) -> Path:
    home = folder / ".dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("{}")
    return home


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory below a directory that holds an instance."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "above" / "work").mkdir(parents=True)
    return tmp_path / "above" / "work"


def test_an_instance_of_ones_own_is_found_above(nested: Path) -> None:
    home = _checkout(nested.parent)
    assert find_home(nested) == home


@as_root
@pytest.mark.parametrize("which", [".dagster", ".dagster/dagster.yaml"])
def test_an_instance_that_another_user_put_above_is_passed_over_and_named(
    nested: Path, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = _checkout(nested.parent)
    os.chown(nested.parent / which, STRANGER, STRANGER)
    assert find_home(nested).is_relative_to(nested.parents[1] / "data")
    said = capsys.readouterr().err
    assert str(home) in said and "belongs to nobody" in said and "export DAGSTER_HOME=" in said


@pytest.mark.parametrize("which", [".dagster", ".dagster/dagster.yaml"])
def test_an_instance_that_anybody_can_write_is_passed_over(nested: Path, which: str) -> None:
    _checkout(nested.parent)
    (nested.parent / which).chmod(0o777)
    assert find_home(nested).is_relative_to(nested.parents[1] / "data")


@as_root
def test_a_link_of_another_user_to_an_instance_of_mine_is_passed_over(nested: Path, tmp_path: Path) -> None:
    mine = _checkout(tmp_path / "elsewhere")
    (nested.parent / ".dagster").symlink_to(mine)
    assert find_home(nested) == nested.parent / ".dagster"
    os.chown(nested.parent / ".dagster", STRANGER, STRANGER, follow_symlinks=False)
    assert find_home(nested).is_relative_to(tmp_path / "data")


@pytest.mark.parametrize("mode", [0o666, pytest.param(0o660, marks=as_root)])
def test_settings_that_others_can_write_are_not_believed(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(HOOK)
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, -1, 65533)
    with pytest.raises(AlertSettingsError, match=rf"others can write it \(mode {mode:o}\).*chmod 600"):
        usable(path)
    with pytest.raises(PolicyError, match=rf"others can write it \(mode {mode:o}\).*chmod 600"):
        read(path)
    path.chmod(0o644)
    assert [hook.name for hook in usable(path)[0].hook] == ["theirs"]


@as_root
def test_settings_of_another_user_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(HOOK)
    os.chown(path, STRANGER, STRANGER)
    with pytest.raises(AlertSettingsError, match="belongs to nobody"):
        usable(path)
    with pytest.raises(PolicyError, match="belongs to nobody"):
        read(path)


def test_a_policy_that_is_written_is_ones_own_under_any_umask(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    before = os.umask(0)
    try:
        edit(path, None, {"enabled": False})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not read(path).policies["default"].enabled


def test_only_a_regular_file_is_opened_and_nothing_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("fifo", "link"):
        with pytest.raises(NotAFile, match=name):
            open_file(tmp_path / name)
    with pytest.raises(NotAFile):
        open_file(tmp_path)
    os.close(open_file(tmp_path / "file"))
    assert not distrust(tmp_path / "file")
