"""Notes of results beside the bytes: who made what, its epochs, and which of them are believed."""

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.store import results

FINGERPRINT, DIGEST = "ab" * 20, "cd" * 32
MADE = results.MadeBy("/home/ann/blut", "box", "ann")
ROWS = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": float("nan")}]


def note(root: Path) -> Path:
    event = dg.AssetMaterialization("trained", tags={results.FINGERPRINT_TAG: FINGERPRINT})
    results.note(root, results.Result(DIGEST, "run", 1.0, event, MADE), ROWS)
    return root / "results" / FINGERPRINT[:2] / FINGERPRINT / f"{DIGEST}.json"


def test_it_says_whose_it_is_and_has_its_epochs(tmp_path: Path) -> None:
    note(tmp_path)
    (found,) = results.find(tmp_path, FINGERPRINT)
    assert found.made.words() == "ann@box in /home/ann/blut" and found.run_id == "run"
    assert [row["epoch"] for row in results.epochs(tmp_path, FINGERPRINT, DIGEST)] == [1, 2]
    assert results.epochs(tmp_path, FINGERPRINT, "ef" * 32) == results.epochs(tmp_path, "../x", DIGEST) == []
    results.drop_without_bytes(tmp_path, lambda _: False)
    assert not results.find(tmp_path, FINGERPRINT) and not [*tmp_path.rglob("*.epochs")]


def test_one_of_an_older_version_says_nothing_of_who_made_it(tmp_path: Path) -> None:
    path = note(tmp_path)
    said = json.loads(path.read_bytes())
    path.write_text(json.dumps({name: said[name] for name in said.keys() - {*results.MadeBy._fields}}))
    (found,) = results.find(tmp_path, FINGERPRINT)
    assert found.made.words() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_one_that_anybody_could_have_written_is_not_believed(tmp_path: Path) -> None:
    path = note(tmp_path)
    for place in (path, path.with_suffix(".epochs")):
        os.chown(place, 12345, -1)
    assert results.find(tmp_path, FINGERPRINT)  # of a group's store, whose owner let them in
    for open_to_all in (path, path.parent, path.parent.parent, tmp_path / "results", tmp_path):
        mode = open_to_all.stat().st_mode
        open_to_all.chmod(0o777)
        assert not results.find(tmp_path, FINGERPRINT), open_to_all
        open_to_all.chmod(mode)
    path.parent.chmod(0o777)
    assert not results.epochs(tmp_path, FINGERPRINT, DIGEST)
    path.parent.chmod(0o700)
    kept = path.rename(path.with_name("kept"))
    path.symlink_to(kept)
    assert not results.find(tmp_path, FINGERPRINT)
