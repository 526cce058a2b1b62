"""Which names and places `blut cookbook new` takes, and that what it writes is whole and in good style."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from blut_assets.new_cookbook import write
from blut_assets.new_cookbook.naming import NameRefused, check_name
from blut_assets.new_cookbook.write import DirectoryRefused, write_cookbook
from tests.conftest import REPOSITORY
from tests.docs.pages import words_as_code
from tests.e2e.box import BLUT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Plants", "beginning with a letter"),
        ("2plants", "beginning with a letter"),
        ("plants_", "not ending in '_'"),
        ("plant-shapes", "1 to 20 of a-z"),
        ("p" * 21, "1 to 20 of a-z"),
        ("", "1 to 20 of a-z"),
        ("lambda", "word of the Python language"),
        ("match", "word of the Python language"),
        ("json", "standard library"),
        ("lamquant", r"installed cookbook already \(cookbooks.lamquant:cookbook\)"),
        ("dagster", "installed module already"),
        ("sensors", "installed module already"),
        ("blut", "installed distribution already"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_a_remedy(name: str, words: str) -> None:
    with pytest.raises(NameRefused, match=words) as refused:
        check_name(name)
    assert f"NAME = {name!r}" in str(refused.value)
    assert "such as" in str(refused.value)


def test_a_directory_that_holds_something_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("here before")
    with pytest.raises(DirectoryRefused, match="is not empty; name one that is empty or not there"):
        write_cookbook("plants", tmp_path)
    with pytest.raises(DirectoryRefused, match="is not a directory"):
        write_cookbook("plants", tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_working_directory_is_not_taken_away_from_under_its_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DirectoryRefused, match="is the working directory"):
        write_cookbook("plants", Path())


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def some(source: Path, name: str, root: Path) -> Path:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(source)
        return real(source, name, root)

    real = write._write
    monkeypatch.setattr(write, "_write", some)
    with pytest.raises(DirectoryRefused, match="No space left on device"):
        write_cookbook("plants", tmp_path / "project")
    assert len(written) == 3 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "plants", "twenty_letters_names"])
def test_what_is_written_is_in_the_style_of_the_project_whatever_its_name(name: str, tmp_path: Path) -> None:
    files = write_cookbook(name, tmp_path / "project")
    assert Path(f"src/{name}/payload/classifier_train.py") in files
    for path in files:
        assert "toybook" not in str(path) + (tmp_path / "project" / path).read_text()
    assert stat.S_IMODE((tmp_path / "project").stat().st_mode) == 0o777 & ~_umask()
    for settings in ("pyproject.toml", str(REPOSITORY / "pyproject.toml")):
        for words in (["check"], ["format", "--check"]):
            ruff = [sys.executable, "-m", "ruff", *words, "--no-cache", "--config", settings, "."]
            done = subprocess.run(ruff, cwd=tmp_path / "project", capture_output=True, text=True)
            assert done.returncode == 0, done.stdout


def test_the_page_and_the_readme_name_every_file_of_the_package_and_no_other() -> None:
    package = write.TEMPLATE / "src" / write.PLACEHOLDER
    files = {str(path.relative_to(package)) for path in package.rglob("*.py")} - {"payload/__init__.py"}
    elsewhere = {"test_chain.py", "weights.py"}
    for page in (REPOSITORY / "docs" / "cookbook.md", write.TEMPLATE / "README.md"):
        named = {word for word in words_as_code(page) if word.endswith(".py")}
        assert named - elsewhere == files, page


def test_the_command_says_what_comes_next_and_refuses_in_one_line(tmp_path: Path) -> None:
    made, refused = (
        subprocess.run(
            [*BLUT, "cookbook", "new", "plants", "project"], cwd=tmp_path, capture_output=True, text=True
        )
        for _ in range(2)
    )
    assert made.returncode == 0 and "pip install --editable project" in made.stdout
    assert refused.returncode == 2 and refused.stderr.splitlines() == [
        "DIR = 'project': is not empty; name one that is empty or not there"
    ]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
