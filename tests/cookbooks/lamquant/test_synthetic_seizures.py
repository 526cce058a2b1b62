"""Synthetic recordings for controllers: what happens in them is drawn, hard to tell, and annotated."""

import itertools
from pathlib import Path

import edfio
import numpy as np
import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.annotations.beside import Directory
from cookbooks.lamquant.annotations.embedded import embedded
from cookbooks.lamquant.annotations.marks import About, Piece
from cookbooks.lamquant.annotations.outcome import Labelling, decide
from cookbooks.lamquant.annotations.reading import reads_of
from cookbooks.lamquant.annotations.vocabulary import SHIPPED_VOCABULARY, parse_vocabulary
from cookbooks.lamquant.formats.edf.recording import read_edf
from cookbooks.lamquant.payload.sample_build import build
from cookbooks.lamquant.samples.synthetic import Hard, write_synthetic
from cookbooks.lamquant.samples.synthetic_events import SEIZURES, draw_stretches

SECONDS, RATE = 60, 100


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("hard")
    build("synthetic:subjects=4,seconds=60,seed=5,recordings=2,seizures=2,confusers=1", root / "edf", root)
    return sorted((root / "edf").rglob("*.edf"))


def labelling(path: Path) -> Labelling:
    file = read_edf(path)
    n = file.digital.shape[1]
    about = About(path.name, (Piece(path.stem, 0.0, n / file.rate_hz, n, file.rate_hz),), 0.0)
    reads = reads_of(about, path.parent, Directory([path.name]), "auto", embedded(path, 0.0))
    return decide(about, reads, parse_vocabulary(SHIPPED_VOCABULARY.read_bytes(), "shipped"), "refuse")


def test_number_place_length_and_kind_of_seizures_are_drawn() -> None:
    """Whoever learns a time of the recording, or that there is always one, learns nothing."""
    drawn = [draw_stretches((1, subject, 1), 120, 3, confusers=True) for subject in range(300)]
    seizures = [[one for one in found if one.kind in SEIZURES] for found in drawn]
    counts = np.bincount([len(one) for one in seizures], minlength=4) / 300
    assert (np.abs(counts - 0.25) < 0.1).all()
    found = [one for several in seizures for one in several]
    begins = np.histogram([one.onset_s for one in found], 9, (3, 93))[0]
    assert begins.min() > 0.7 * begins.mean()
    assert {one.kind for one in found} == set(SEIZURES)
    lengths = [one.length_s for one in found]
    assert 8 <= min(lengths) < 11 and 22 < max(lengths) <= 25
    for several in seizures:
        ends = [(one.onset_s, one.onset_s + one.length_s) for one in several]
        assert all(after[0] - before[1] >= 2.99 for before, after in itertools.pairwise(ends))
        assert all(begin >= 0 and end <= 120 for begin, end in ends)
    assert {one.kind for several in drawn for one in several} > {"chewing", "flutter", "theta"}


def test_the_background_is_the_same_and_a_seizure_is_no_louder_than_twice_it(tmp_path: Path) -> None:
    kwargs = {"rate_hz": RATE, "recordings": 3}
    quiet = write_synthetic(tmp_path / "a", 2, SECONDS, 5, **kwargs)  # type: ignore[arg-type]
    hard = write_synthetic(tmp_path / "b", 2, SECONDS, 5, hard=Hard(3), **kwargs)  # type: ignore[arg-type]
    again = write_synthetic(tmp_path / "c", 2, SECONDS, 5, hard=Hard(3), **kwargs)  # type: ignore[arg-type]
    assert len(again) == 6 and digest_path(tmp_path / "b") == digest_path(tmp_path / "c")
    seen = 0
    for before, after in zip(quiet, hard, strict=True):
        one, other = read_edf(before), read_edf(after)
        added = (other.digital.astype(float) - one.digital) * one.scale[:, None]
        outside = np.ones(added.shape[1], bool)
        background = np.median((one.digital * one.scale[:, None]).std(axis=1))
        for mark in edfio.read_edf(after).annotations:
            if mark.text == "seizure":
                low, high = int(mark.onset * RATE), int((mark.onset + (mark.duration or 0)) * RATE) + 1
                outside[low:high] = False
                seen += 1
                # the first third is still growing: no step tells where it begins
                loudest = added[:, low + (high - low) // 3 : high - RATE].std(axis=1).max()
                assert 0.3 * background < loudest < 3 * background
                assert added[:, low : low + RATE].std() < added[:, (low + high) // 2 :][:, :RATE].std()
        assert not added[:, outside].any()
    assert seen >= 4


def test_each_recording_is_annotated_also_where_nothing_happened(made: list[Path]) -> None:
    assert len(made) == 8 and all("SYNTHETIC" in path.name for path in made)
    seen = [labelling(path) for path in made]
    assert {one.state for one in seen} == {"annotated"}
    labels = [{event.label for event in one.events[path.stem]} for path, one in zip(made, seen, strict=True)]
    assert all("BACKGROUND" in found for found in labels)
    assert any("CRITICAL" in found for found in labels) and any("CRITICAL" not in found for found in labels)
    assert any("ARTIFACT" in found for found in labels)


def test_plain_synthetic_recordings_are_still_without_annotations(tmp_path: Path) -> None:
    build("synthetic:subjects=1,seconds=10,seed=5", tmp_path / "edf", tmp_path)
    (path,) = (tmp_path / "edf").rglob("*.edf")
    assert labelling(path).state == "unannotated"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("seizures=4", r"'seizures=4' is not one of .*seizures=0\.\.3"),
        ("confusers=2", r"'confusers=2' is not one of"),
        ("seizures=yes", r"'seizures=yes' is not one of"),
        ("seizure=1", r"'seizure=1' is not one of"),
        ("recordings=0", r"recordings=0: a whole number from 1"),
        ("seizures=1,seconds=20", r"seconds=20: .* have 40 at least"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(tmp_path: Path, options: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        build(f"synthetic:{options}", tmp_path / "edf", tmp_path)
    assert not (tmp_path / "edf").exists()
