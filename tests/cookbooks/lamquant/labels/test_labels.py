"""A label for each frame: what is marked, what is not, what nobody has looked at, and who may see it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cookbooks.lamquant.labels.frames import frame_end, frame_labels, n_frames, runs
from cookbooks.lamquant.labels.kinds import NONE, SEEN_CRITICAL, SEEN_INTERESTING, UNLABELLED
from cookbooks.lamquant.labels.store import LabelsInvalid, read_labels
from tests.cookbooks.lamquant.labels.seizures import SeizureSet
from tests.cookbooks.lamquant.verdict_case import made, payload


def labelled(
    *events: tuple[str, float, float],
    state: str = "annotated",
    tells: bool = True,
    unannotated: Any = "exclude",
    seconds: float = 4,
) -> list[int]:
    marks = [(*event, "edf+") for event in events]
    frames = n_frames(int(seconds * 256), 256.0, 250)
    found = frame_labels(state, marks, frames, 250, tells_seizures=tells, unannotated=unannotated)
    return found.tolist()


def test_a_mark_counts_where_it_has_half_of_a_frame_and_seizures_win() -> None:
    found = labelled(("CRITICAL", 1.12, 0.76), ("INTERESTING", 0.5, 1.0), ("BACKGROUND", 0, 4), seconds=2.5)
    assert found == [0, 0, 1, 1, 2, 2, 2, 2, 0, 0]
    assert labelled(("CRITICAL", 1.126, 0.748), seconds=2.25) == [0, 0, 0, 0, 0, 2, 2, 0, 0]


def test_marks_that_overlap_or_leave_the_recording_are_one_stretch() -> None:
    found = labelled(
        ("CRITICAL", 0.5, 1), ("CRITICAL", 1.0, 1), ("CRITICAL", 1.2, 0.1), ("CRITICAL", 3.5, 60)
    )
    assert runs(np.array(found, np.uint8), SEEN_CRITICAL) == [(2, 8), (14, 16)]
    # two halves of one frame, said by two marks, are a whole one; two quarters of it said twice are not
    assert labelled(("CRITICAL", 0, 0.07), ("CRITICAL", 0.1, 0.07), seconds=0.25) == [SEEN_CRITICAL]
    assert labelled(("CRITICAL", 0, 0.07), ("CRITICAL", 0, 0.07), seconds=0.25) == [NONE]


def test_what_nobody_has_looked_at_is_not_quiet() -> None:
    assert set(labelled(state="unannotated")) == {UNLABELLED}
    assert set(labelled(state="unannotated", unannotated="quiet")) == {NONE}
    assert set(labelled(state="refused", unannotated="quiet")) == {UNLABELLED}
    assert set(labelled()) == {NONE}


def test_a_mark_of_a_spike_says_nothing_of_the_rest_of_the_recording() -> None:
    found = labelled(("INTERESTING", 0.5, 0.5), ("ARTIFACT", 1, 0.5), tells=False, seconds=2)
    assert found == [UNLABELLED, UNLABELLED, SEEN_INTERESTING, SEEN_INTERESTING, 0, 0, UNLABELLED, UNLABELLED]


@pytest.mark.parametrize("rate", [250.0, 256.0, 128.0, 199.9, 512.0])
@pytest.mark.parametrize("ms", [250, 100, 333])
def test_frames_are_whole_and_counted_in_samples(rate: float, ms: int) -> None:
    for n in [*range(1, 400), 30_000, 30_063]:
        found = n_frames(n, rate, ms)
        assert found == 0 or frame_end(found - 1, rate, ms) <= n
        assert frame_end(found, rate, ms) > n


# ---- by the payload


def test_labels_of_sealed_patients_lie_apart(seizure_set: SeizureSet) -> None:
    fit, sealed = (read_labels(seizure_set.labels / place) for place in ("fit", "sealed"))
    split = json.loads((seizure_set.split / "split.json").read_text())["recordings"]
    homes = {stem: one["split"] for labels in (fit, sealed) for stem, one in labels.recordings.items()}
    assert homes == split
    assert {one["split"] for one in sealed.recordings.values()} == {"test"}
    assert set(fit.stems("train")) | set(fit.stems("val")) == set(fit.recordings)
    assert {path.stem for path in (seizure_set.labels / "fit").glob("*.npy")} == set(fit.recordings)


def test_frames_are_those_of_the_marks_in_the_file(seizure_set: SeizureSet) -> None:
    said = json.loads((seizure_set.annotations / "annotations.json").read_text())["recordings"]
    total = 0
    for place in ("fit", "sealed"):
        labels = read_labels(seizure_set.labels / place)
        for stem in labels.recordings:
            events = [one for one in said[stem]["events"] if one[0] == "CRITICAL"]
            total += len(events)
            found = runs(labels.of(stem), SEEN_CRITICAL)
            assert len(found) == len(events) == labels.recordings[stem]["critical_events"]
            for (begin, end), (_, onset, length, _) in zip(found, events, strict=True):
                assert abs(begin * 0.25 - onset) <= 0.13 and abs(end * 0.25 - onset - length) <= 0.13
    assert total >= 6


def test_an_unannotated_recording_is_quiet_only_if_that_is_said(
    seizure_set: SeizureSet, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    shutil.copytree(seizure_set.annotations, said)
    document = json.loads((said / "annotations.json").read_text())
    calm = next(stem for stem, one in document["recordings"].items() if one["events"][0][2] == 60)
    document["recordings"][calm] = {"state": "unannotated", "sources": [], "duration_s": 60.0}
    (said / "annotations.json").write_text(json.dumps(document))
    inputs = {"corpus": seizure_set.corpus, "split": seizure_set.split, "annotations": said}
    for asked, label in (("exclude", UNLABELLED), ("quiet", NONE)):
        out = made(tmp_path, f"labels_build-{asked}", {"unannotated": asked}, **inputs)
        place = next(place for place in ("fit", "sealed") if (out / place / f"{calm}.npy").exists())
        assert set(read_labels(out / place).of(calm).tolist()) == {label}


def test_a_side_without_seizures_is_refused_with_what_to_do(seizure_set: SeizureSet, tmp_path: Path) -> None:
    split = tmp_path / "split"
    shutil.copytree(seizure_set.split, split)
    document = json.loads((split / "split.json").read_text())
    labels = read_labels(seizure_set.labels / "sealed")
    seizing = {one["patient"] for one in labels.recordings.values() if one["critical"]}
    for stem, one in labels.recordings.items():
        if one["patient"] in seizing:
            document["recordings"][stem] = document["subjects"][one["patient"]] = "train"
    (split / "split.json").write_text(json.dumps(document))
    inputs = {"corpus": seizure_set.corpus, "annotations": seizure_set.annotations}
    done = payload(tmp_path, "labels_build", {}, **inputs, split=split)
    assert done.returncode != 0
    for words in ("no patient with seizures is in test", "test_subjects", '"stratify": "critical"'):
        assert words in done.stderr
    done = payload(tmp_path, "labels_build-odd", {"frame_s": 0.2505}, **inputs, split=split)
    assert "frame_s=0.2505: must be a whole number of milliseconds" in done.stderr


def test_a_damaged_file_of_labels_is_named(seizure_set: SeizureSet, tmp_path: Path) -> None:
    shutil.copytree(seizure_set.labels / "fit", tmp_path / "fit")
    labels = read_labels(tmp_path / "fit")
    stem = labels.stems("val")[0]
    np.save(tmp_path / "fit" / f"{stem}.npy", np.zeros(3, np.uint8))
    with pytest.raises(LabelsInvalid, match=stem):
        labels.of(stem)
    (tmp_path / "fit" / "labels.json").unlink()
    with pytest.raises(LabelsInvalid, match=r"labels\.json"):
        read_labels(tmp_path / "fit")
