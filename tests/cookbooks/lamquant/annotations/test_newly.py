"""A policy for a recipe that learns from labels waits for recordings that somebody has annotated."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.definitions import discovered
from blut_resources.instance.instance import store_of
from cookbooks.lamquant.annotations import newly
from cookbooks.lamquant.recipes.data_prep import DATA_PREP
from sensors.policy.data import look
from sensors.policy.decide import Data
from sensors.policy.file import PolicyError, edit, read
from sensors.retraining import evaluate, patiently
from tests.cookbooks.lamquant.annotations.test_build import recording

SEIZURE = [(10.0, 20.0, "Seizure")]
CSV = """\
# version = csv_v1.0.0
# bname = {stem}
# duration = 60.0000 secs
channel,start_time,stop_time,label,confidence
TERM,0.0000,{start},bckg,1.0000
TERM,{start},60.0000,seiz,1.0000
"""


class Tree:
    """Recordings, what a policy would count in them, and what it counted last."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.root, self.store = root, store_of(instance)
        self.before: dict[dg.AssetKey, dict[str, Any]] = {}

    def record(self, name: str, seed: int, marks: Any = ()) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return recording(path, list(marks), seed)

    def beside(self, name: str, start: str = "30.0000") -> None:
        (self.root / f"{name}.csv_bi").write_text(CSV.format(stem=Path(name).name, start=start))

    def look(self, **args: Any) -> Data:
        parsed = DATA_PREP.parse({"edf_root": str(self.root), "workers": 1, **args})
        found = look(self.store, DATA_PREP, parsed, self.before, annotated=True)
        assert not found.problem, found.problem
        return found

    def new(self, **args: Any) -> int:
        return self.look(**args).annotated

    def learned(self) -> None:
        """Take what is there as known, as after a retraining."""
        from blut_assets.history.planning import observe
        from blut_assets.stages.spec import spec_of

        configs = DATA_PREP.configs(DATA_PREP.parse({"edf_root": str(self.root)}))
        specs = [spec for asset in DATA_PREP.assets if (spec := spec_of(asset)) and spec.source]
        self.before = {
            spec.key: observe(self.store, spec, configs[spec.key]).model_dump(mode="json") for spec in specs
        }


@pytest.fixture
def tree(tmp_path: Path, home: Path) -> Any:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield Tree(tmp_path / "edf", instance)


def test_a_recording_counts_when_somebody_has_annotated_it(tree: Tree) -> None:
    tree.record("a/plain.edf", 1)
    tree.record("a/marked.edf", 2, SEIZURE)
    tree.record("b/listed.edf", 3)
    tree.beside("b/listed")
    assert (tree.look().recordings, tree.new()) == (3, 2)
    tree.learned()
    assert tree.new() == 0
    tree.record("a/later.edf", 4)
    assert (tree.look().recordings, tree.new()) == (1, 0)
    tree.record("c/new.edf", 5, SEIZURE)
    assert tree.new() == 1
    tree.record("a/plain.edf", 6, SEIZURE)  # another recording under the old name
    assert tree.new() == 2


def test_a_list_for_an_old_recording_counts_and_so_does_one_that_says_other_things(tree: Tree) -> None:
    tree.record("a/one.edf", 1)
    tree.record("a/two.edf", 2)
    assert tree.new() == 0
    tree.learned()
    tree.beside("a/one")
    assert (tree.look().recordings, tree.new()) == (0, 1)
    tree.learned()
    tree.beside("a/one", start="31.0000")
    assert tree.new() == 1
    tree.beside("a/one")
    path = tree.root / "a" / "one.csv_bi"
    path.write_text(path.read_text().replace("30.0000", "30.0").replace("# bname", "# name"))
    assert tree.new() == 0, "the same in other words"
    path.unlink()
    assert tree.new() == 0, "what is taken away is nothing new"
    tree.beside("a/one")
    tree.learned()
    summary = "File Name: one.edf\nNumber of Seizures in File: 1\n{}: 30 seconds\n{}: 60 seconds\n"
    (tree.root / "a" / "a-summary.txt").write_text(summary.format("Seizure Start Time", "Seizure End Time"))
    assert tree.new() == 1, "somebody else has looked at it, and agrees"


def test_one_list_about_several_recordings_counts_those_of_which_it_says_something_new(tree: Tree) -> None:
    said = "File Name: {}.edf\nNumber of Seizures in File: {}\n"
    for seed, name in enumerate(("a", "b", "c")):
        tree.record(f"chb/{name}.edf", seed)
    summary = tree.root / "chb" / "chb-summary.txt"
    summary.write_text(said.format("a", 0) + said.format("b", 0))
    assert tree.new() == 2
    tree.learned()
    summary.write_text(summary.read_text() + said.format("c", 0))
    assert tree.new() == 1


def test_what_was_renamed_refused_or_is_not_asked_for_does_not_count(tree: Tree) -> None:
    tree.record("a/one.edf", 1, SEIZURE)
    tree.record("a/two.edf", 2)
    tree.beside("a/two")
    assert tree.new(labels="tuh") == 1 and tree.new(labels="none") == 0
    tree.learned()
    shutil.move(tree.root / "a", tree.root / "z")
    assert tree.new() == 0
    tree.record("z/three.edf", 3, [(1.0, 2.0, "nobody knows this word")])
    assert (tree.new(), tree.new(unknown="interesting")) == (0, 1)
    tree.beside("z/one", start="50.0000")  # the two do not agree
    assert tree.new() == 0


def test_a_recording_is_opened_once_for_each_content(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    real = newly.open_edf
    monkeypatch.setattr(newly, "open_edf", lambda path, *rest: opened.append(path) or real(path, *rest))
    tree.record("a/one.edf", 1, SEIZURE)
    tree.record("a/two.edf", 2)
    assert (tree.new(), len(opened)) == (1, 2)
    assert (tree.new(), len(opened)) == (1, 2)
    tree.beside("a/two")
    assert (tree.new(), [path.name for path in opened[2:]]) == (2, ["two.edf"])
    shutil.rmtree(tree.store.root / newly.NOTES)
    assert tree.new() == 2, "the notes may be removed"
    for path in (tree.store.root / newly.NOTES).iterdir():
        path.write_text("[torn")
    assert tree.new() == 2


def test_the_policy_retrains_on_new_annotations_alone(
    tree: Tree, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(home / "policy.toml"))
    recipes = [recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes]

    def reason(**fields: Any) -> str:
        given = {"recipe": DATA_PREP.name, "args": {"edf_root": str(tree.root)}, "new_annotated": 1}
        edit(home / "policy.toml", None, {"enabled": True, "start_hours": [], **given, **fields})
        with dg.DagsterInstance.from_config(str(home)) as instance:
            (one,) = evaluate(instance, read(home / "policy.toml"), recipes, patiently)
        return one.decision.reason

    tree.record("a/one.edf", 1)
    assert reason() == "0 new annotated recordings, 1 are asked for"
    tree.beside("a/one")
    assert reason() == "1 new annotated recordings, 1 are asked for"
    vocabulary = home / "words.yaml"
    vocabulary.write_text("no: vocabulary")
    with pytest.raises(PolicyError, match=r"words\.yaml"):
        reason(args={"edf_root": str(tree.root), "vocabulary": str(vocabulary)})
    able = "lamquant_data_prep, lamquant_full_pipeline, lamquant_snn"
    with pytest.raises(PolicyError, match=rf"new_annotated = 1: eval_suite learns nothing .*{able}"):
        reason(recipe="eval_suite", args={"dataset_path": str(vocabulary), "base_model": "sample:smollm2"})
