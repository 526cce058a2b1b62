"""How much is new: counted on real files in a real store, by content."""

import threading
from pathlib import Path

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Recipe, RecipeArgs
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_resources.store.artifacts import ArtifactStore
from sensors.policy.data import Lookout, look
from sensors.policy.decide import Data


class Files(Artifact):
    """Files that stay where they are."""

    kind = "counted.files"
    n_files: int
    n_bytes: int


class FilesConfig(StageConfig):
    """Where they are."""

    root: str = ""


@stage_asset(cookbook="counted", group="sources", source=True)
def files(stage: Stage, config: FilesConfig) -> Files:
    """Files in a directory."""
    found = sorted(Path(config.root).iterdir())
    digest = stage.store.put_reference(Path(config.root))
    return Files(digest=digest, n_files=len(found), n_bytes=sum(path.stat().st_size for path in found))


class Args(RecipeArgs):
    """Where the files are."""

    root: str


RECIPE = Recipe(
    "counted", "test", "Counts.", Args, [files], Files, lambda args: {"files": FilesConfig(root=args.root)}
)


class Folder:
    def __init__(self, root: Path) -> None:
        self.store, self.data = ArtifactStore(root / "store"), root / "data"
        self.data.mkdir()
        self.before: dict[dg.AssetKey, dict[str, object]] = {}

    def look(self) -> Data:
        return look(self.store, RECIPE, Args(root=str(self.data)), self.before, rows=True)

    def learned(self) -> None:
        """A run saw what is there now."""
        digest = self.store.put_reference(self.data)
        paths = list(self.data.iterdir())
        n_bytes = sum(path.stat().st_size for path in paths)
        self.before = {files.key: {"digest": digest, "n_files": len(paths), "n_bytes": n_bytes}}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def counts(data: Data) -> tuple[int, int, int]:
    assert not data.problem
    return data.recordings, data.rows, data.bytes


def test_everything_is_new_at_first_and_nothing_after_a_run(folder: Folder) -> None:
    (folder.data / "a.jsonl").write_text("{}\n{}\n")
    (folder.data / "b.edf").write_bytes(b"x" * 100)
    assert counts(folder.look()) == (2, 2, 106)
    folder.learned()
    assert counts(folder.look()) == (0, 0, 0)


def test_what_was_appended_is_new_and_what_was_renamed_or_touched_is_not(folder: Folder) -> None:
    (folder.data / "a.jsonl").write_text("{}\n{}\n")
    (folder.data / "b.edf").write_bytes(b"x" * 100)
    folder.learned()
    with (folder.data / "a.jsonl").open("a") as file:
        file.write("{}\n{}\n{}")  # no newline at the end yet
    (folder.data / "b.edf").rename(folder.data / "c.edf")
    (folder.data / "c.edf").touch()
    assert counts(folder.look()) == (1, 3, 8)
    (folder.data / "a.jsonl").write_text("{1}\n")  # rewritten, and shorter
    assert counts(folder.look()) == (1, 1, 4)


def test_a_file_that_was_removed_changes_the_subject_but_is_nothing_new(folder: Folder) -> None:
    for name in "ab":
        (folder.data / name).write_text(name)
    folder.learned()
    subject = folder.look().subject
    (folder.data / "a").unlink()
    assert counts(folder.look()) == (0, 0, 0)
    assert folder.look().subject != subject


def test_without_a_record_of_the_old_files_the_totals_are_compared(folder: Folder) -> None:
    (folder.data / "a").write_text("12345")
    folder.learned()
    (folder.data / "b").write_text("678")
    for record in (folder.store.root / "external").iterdir():
        record.unlink()
    assert counts(folder.look()) == (1, 0, 3)


def test_data_that_cannot_be_read_is_a_problem_and_not_nothing(folder: Folder) -> None:
    folder.data.rmdir()
    assert "counted/files" in folder.look().problem and "No such file" in folder.look().problem


def test_a_long_look_goes_on_between_two_ticks() -> None:
    lookout, done, looks = Lookout(), threading.Event(), []

    def slow() -> Data:
        looks.append(1)
        done.wait(30)
        return Data("found")

    assert lookout.ask("key", slow, 0.05) is None
    assert lookout.ask("key", slow, 0.05) is None
    done.set()
    assert lookout.ask("key", slow, 30) == Data("found")
    assert len(looks) == 1
