"""Recordings with seizures are found before there is a corpus; those that have not changed are not opened."""

from pathlib import Path

import pytest

from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.annotations import critical
from cookbooks.lamquant.annotations.critical import Understood, known_critical
from tests.cookbooks.lamquant.annotations.test_build import recording
from tests.cookbooks.lamquant.annotations.test_newly import CSV, SEIZURE
from tests.cookbooks.lamquant.annotations.written import SHIPPED


def test_a_directory_is_read_again_only_when_something_in_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    real = critical.open_edf
    monkeypatch.setattr(critical, "open_edf", lambda path: opened.append(path) or real(path))
    store, edf = ArtifactStore(tmp_path / "store"), tmp_path / "edf"
    edf.mkdir()

    def found(version: str = "1") -> list[str]:
        by = Understood("auto", "refuse", SHIPPED)
        return known_critical(store, edf, by, keep_identity=False, version=version)

    recording(edf / "a.edf", SEIZURE, 1)
    recording(edf / "b.edf", [], 2)
    assert found() == ["a"] and len(opened) == 2
    assert found() == ["a"] and len(opened) == 2
    assert found("2") == ["a"] and len(opened) == 4, "other code may find something else"
    (edf / "b.csv_bi").write_text(CSV.format(stem="b", start="30.0000"))
    assert found() == ["a", "b"], "a list beside an old recording"
    for note in (store.root / critical.NOTES).iterdir():
        note.write_text("[torn")
    assert found() == ["a", "b"]
