"""Copies of the source for nodes: the files as they are, each version once, the repository untouched."""

import subprocess
from pathlib import Path

import pytest

from blut_resources.launchers import checkout
from blut_resources.launchers.checkout import CheckoutError, source_of_nodes, sync


def git(directory: Path, *words: str) -> str:
    own = ["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *own, "-C", directory, *words], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    (made / "package").mkdir(parents=True)
    (made / "package" / "module.py").write_text("first")
    (made / ".gitignore").write_text("*.pyc\n")
    git(made, "init", "--quiet")
    git(made, "add", "--all")
    git(made, "commit", "--quiet", "--message", "first")
    return made


def test_what_is_committed_changed_and_new_is_copied_and_what_is_ignored_is_not(
    source: Path, tmp_path: Path
) -> None:
    (source / "package" / "module.py").write_text("changed")
    (source / "package" / "new ü.py").write_text("new")
    (source / "package" / "module.pyc").write_text("ignored")
    before = git(source, "status", "--porcelain"), sorted((source / ".git" / "objects").rglob("*"))
    made = sync(tmp_path / "copies", source)
    assert made.made and made.path == tmp_path / "copies" / made.version
    assert (made.path / "package" / "module.py").read_text() == "changed"
    assert sorted(path.name for path in (made.path / "package").iterdir()) == ["module.py", "new ü.py"]
    assert (git(source, "status", "--porcelain"), sorted((source / ".git" / "objects").rglob("*"))) == before


def test_a_version_is_copied_once_and_another_one_beside_it(source: Path, tmp_path: Path) -> None:
    first = sync(tmp_path / "copies", source)
    assert sync(tmp_path / "copies", source) == first._replace(made=False)
    (source / "package" / "module.py").write_text("second")
    second = sync(tmp_path / "copies", source)
    assert second.made and second.path != first.path
    assert (first.path / "package" / "module.py").read_text() == "first"
    assert {path.name for path in (tmp_path / "copies").iterdir()} == {first.version, second.version}


def test_cut_short_nothing_has_its_name(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkout, "sync_tree", full)
    with pytest.raises(CheckoutError, match="No space left"):
        sync(tmp_path / "copies", source)
    assert list((tmp_path / "copies").iterdir()) == []


def test_what_is_installed_and_no_checkout_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="`python` of the profile"):
        sync(tmp_path / "copies", source / "package")
    with pytest.raises(CheckoutError, match="not a git checkout"):
        sync(tmp_path / "copies", tmp_path)


def test_a_launch_finds_the_copy_of_this_very_source_or_says_that_there_is_none(
    source: Path, tmp_path: Path
) -> None:
    base = tmp_path / "copies"
    with pytest.raises(CheckoutError, match="has no copy of this source yet"):
        source_of_nodes(base, source)
    made = sync(base, source)
    assert source_of_nodes(base, source) == made.path
    (tmp_path / "own" / "blut_resources").mkdir(parents=True)
    (tmp_path / "own" / "blut_assets").mkdir()
    assert source_of_nodes(tmp_path / "own", source) == tmp_path / "own", "a checkout is what it is"
