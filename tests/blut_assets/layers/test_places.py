"""Files are found where a person expects them, and nobody else's are believed."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from blut_assets.layers import directories, reading
from blut_assets.layers.directories import names_of_files, project_directory
from blut_assets.layers.resolve import layered, resolve
from blut_assets.layers.stack import POLICY
from blut_assets.recipes import ArgsError, Cookbook, Recipe, variant
from tests.blut_assets.layers.conftest import Write
from tests.blut_assets.recipes.toy import RECIPE, fixed_score

Packed = Callable[..., Recipe]


@pytest.mark.parametrize("zipped", [False, True], ids=["directory", "archive"])
def test_a_cookbook_brings_settings_groups_and_named_files(
    packed: Packed, write: Write, zipped: bool
) -> None:
    recipe = packed(
        {
            "configs/fixed_train.yaml": "defaults: [speed: slow]\nnote: of the cookbook\n",
            "configs/speed/slow.yaml": "lr: 1\n",
            "configs/speed/fast.yaml": "lr: 2\n",
            "configs/night.yaml": "lr: 3\n",
        },
        zipped=zipped,
    )
    found = layered(recipe)
    assert found.values == {"lr": 1, "note": "of the cookbook"}
    assert str(found.origins["lr",]).endswith("configs/speed/slow.yaml:1")
    assert layered(recipe, config="speed=fast").values["lr"] == 2
    assert layered(recipe, config="night").values["lr"] == 3
    write("blut.yaml", "defaults: [speed: fast, _self_]\nnote: of the project\n")
    assert layered(recipe).values == {"lr": 2, "note": "of the project"}
    write("configs/speed/fast.yaml", "lr: 4")
    assert layered(recipe).values["lr"] == 4, "the project's own option goes before the cookbook's"


def test_a_recipe_under_another_name_keeps_its_file(packed: Packed, write: Write) -> None:
    recipe = packed({"configs/fixed_train.yaml": "lr: 1\n", "configs/other_train.yaml": "lr: 2\n"})
    mine = variant(Cookbook("fixed", [fixed_score], [recipe]), "mine")
    assert [one.name for one in mine.recipes] == ["mine_train"]
    assert layered(mine.recipes[0]).values == {"lr": 1}
    assert layered(replace(mine.recipes[0], settings="other_train")).values == {"lr": 2}


def test_a_relative_path_in_an_archive_counts_from_nowhere(packed: Packed, write: Write) -> None:
    lies = packed({"configs/fixed_train.yaml": "words: data/x\n"})
    assert layered(lies).values["words"].endswith("/site/packed0/configs/data/x")
    with pytest.raises(ArgsError, match=r"fixed_train.yaml:1: fixed_train: words = 'data/x': is relative"):
        layered(packed({"configs/fixed_train.yaml": "words: data/x\n"}, zipped=True))


def test_the_project_ends_at_its_repository_and_at_home(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blut.yaml").write_text("lr: 1\n")
    assert layered(RECIPE).values == {}, "beyond the root of the repository"
    (tmp_path / "project/.git").rmdir()
    assert layered(RECIPE).values == {"lr": 1}
    monkeypatch.setenv("HOME", str(tmp_path / "project"))
    assert layered(RECIPE).values == {}, "beyond the home directory"
    inner = write("sub/blut.yaml", "lr: 2\n")
    assert layered(RECIPE).values == {"lr": 2} and project_directory() == inner.parent


def test_names_are_offered_to_a_shell(write: Write) -> None:
    write("configs/night.yaml", "")
    write("configs/limits/gpu24.yaml", "")
    write("user/configs/mine.yaml", "")
    assert [*names_of_files()] == ["mine", "night"]


def test_what_others_could_have_written_is_refused_unless_it_is_named(write: Write) -> None:
    path = write("blut.yaml", "lr: 1\n")
    path.chmod(0o666)
    with pytest.raises(
        ArgsError, match=r"blut.yaml others can write it \(mode 666\), and is not believed: chmod"
    ):
        layered(RECIPE)
    assert layered(RECIPE, config=str(path)).values == {"lr": 1}
    path.chmod(0o600)
    option = write("configs/speed/fast.yaml", "lr: 2\n")
    option.chmod(0o666)
    with pytest.raises(ArgsError, match=r"fast.yaml others can write it"):
        layered(RECIPE, config="speed=fast")
    path.chmod(0o666)
    with pytest.raises(ArgsError, match=r"blut.yaml others can write it"):
        layered(RECIPE, config=str(path), reads=POLICY)


def test_what_cannot_be_read_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, _remedy: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    write("blut.yaml", "lr: 1\n")
    monkeypatch.setattr(reading, "open_believed", refused)
    with pytest.raises(ArgsError, match=r"yaml: cannot be read: Permission denied; make it readable"):
        layered(RECIPE)


def test_a_directory_that_nobody_may_look_into_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    write("user/config.yaml", "lr: 1\n")
    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(ArgsError, match=r"configs/night.yaml: cannot be looked for: Permission denied"):
        layered(RECIPE, config="night", reads=POLICY)


def test_who_has_no_home_directory_has_no_settings_of_his_own(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(directories.Path, "home", nobody)
    found = layered(RECIPE, args={"lr": 1})
    assert found.values == {"lr": 1}
    assert ("user", "config.yaml: this user has no home directory", False) in found.looked


def test_a_link_to_a_file_of_ones_own_is_followed_and_a_fifo_is_not_waited_for(
    write: Write, tmp_path: Path
) -> None:
    real = write("settings/mine.yaml", "lr: 1\nwords: x\n")
    (tmp_path / "project/blut.yaml").symlink_to(real)
    assert layered(RECIPE).values == {"lr": 1, "words": str(tmp_path / "project/settings/x")}
    (tmp_path / "project/blut.yaml").unlink()
    os.mkfifo(tmp_path / "project/blut.yaml", 0o600)
    with pytest.raises(ArgsError, match=r"blut.yaml: cannot be read: is no regular file"):
        layered(RECIPE)
    assert stat.S_ISFIFO((tmp_path / "project/blut.yaml").stat().st_mode)


def test_a_working_directory_that_goes_keeps_its_project(write: Write, tmp_path: Path) -> None:
    write("blut.yaml", "lr: 1\n")
    gone = tmp_path / "project/gone"
    gone.mkdir()
    os.chdir(gone)
    assert resolve(RECIPE).values == {"lr": 1}
    gone.rmdir()
    assert resolve(RECIPE).values == {"lr": 1}
