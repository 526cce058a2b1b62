"""Splits in which each side has patients with seizures."""

import itertools
import json
from pathlib import Path
from typing import Any

import edfio
import pytest

from cookbooks.lamquant.signal.duplicates import Duplicates
from cookbooks.lamquant.signal.placing import SplitError
from cookbooks.lamquant.signal.request import REQUEST, Requested, read_request
from cookbooks.lamquant.signal.split import SPLITS, SplitPolicy, build_split
from cookbooks.lamquant.subjects.sides import Sides
from tests.cookbooks.lamquant.labels.seizures import SeizureSet, requested

SUBJECTS = [f"p{n:02}" for n in range(30)]


def split_of(critical: list[str] | None, **policy: Any) -> dict[str, str]:
    entries = [{"stem": f"{one}_1", "subject": one, "channels": ["a"]} for one in SUBJECTS]
    files = None if critical is None else tuple(f"{one}_1" for one in critical)
    found = build_split(
        {"recordings": entries}, Duplicates((), (), {}), SplitPolicy(**policy), Requested(critical=files)
    )
    return found["subjects"]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n", [3, 4, 9, 20])
def test_each_side_has_its_share_of_patients_with_seizures(seed: int, n: int) -> None:
    critical = SUBJECTS[:n]
    placed = split_of(critical, seed=seed, val_fraction=0.2, test_fraction=0.2)
    counts = {side: sum(placed[one] == side for one in critical) for side in SPLITS}
    assert counts["test"] >= max(1, round(0.2 * n)) and counts["val"] >= max(1, round(0.2 * n))
    assert counts["train"] >= 1
    plain = split_of(None, seed=seed, val_fraction=0.2, test_fraction=0.2)
    assert {one: placed[one] for one in SUBJECTS[n:]} == {one: plain[one] for one in SUBJECTS[n:]}


def test_without_it_a_side_may_have_none_and_nothing_changes() -> None:
    bare = [seed for seed in range(40) if len({split_of(None, seed=seed)[one] for one in SUBJECTS[:4]}) < 3]
    assert bare
    assert b"critical" not in Requested().to_json()


def test_named_subjects_stay_where_they_are_named() -> None:
    placed = split_of(SUBJECTS[:5], seed=1, named={"test": ("p00", "p01")})
    assert {one for one, side in placed.items() if side == "test"} == {"p00", "p01"}
    assert {placed[one] for one in SUBJECTS[2:5]} == {"train", "val"}


def test_too_few_patients_with_seizures_are_refused_with_their_number() -> None:
    with pytest.raises(SplitError, match=r"stratify: no patient .* is left for \w+: 2 of the corpus"):
        split_of(SUBJECTS[:2], seed=1)
    with pytest.raises(SplitError, match=r"0 of the corpus"):
        split_of([], seed=1)
    with pytest.raises(SplitError, match=r"left for val: 3 of the corpus"):
        split_of(SUBJECTS[:3], seed=1, named={"test": tuple(SUBJECTS[:3])})


def test_a_manifest_decides_and_is_not_changed() -> None:
    sides = dict(zip(SUBJECTS, itertools.cycle(SPLITS), strict=False))
    entries = [{"stem": f"{one}_1", "subject": one, "channels": ["a"]} for one in SUBJECTS]
    request = Requested(sides=Sides(subjects=sides), critical=("p00_1",))
    found = build_split({"recordings": entries}, Duplicates((), (), {}), SplitPolicy(), request)
    assert found["subjects"] == sides


def test_the_recordings_with_seizures_are_those_that_the_annotations_name(
    seizure_set: SeizureSet, tmp_path: Path
) -> None:
    said = json.loads((seizure_set.annotations / "annotations.json").read_text())["recordings"]
    wanted = {stem for stem, one in said.items() if any(e[0] == "CRITICAL" for e in one["events"])}
    found = requested(seizure_set.edf)
    assert set(found.critical or ()) == wanted and 3 <= len(wanted) < len(said)
    (tmp_path / REQUEST).write_bytes(found.to_json())
    assert set(read_request(tmp_path).critical or ()) == wanted


def test_lists_beside_count_and_a_disagreement_does_not(seizure_set: SeizureSet, tmp_path: Path) -> None:
    source = next(path for path in sorted(seizure_set.edf.rglob("*.edf")))
    edf = edfio.read_edf(source)
    edf.set_annotations([])
    (tmp_path / "p").mkdir()
    edf.write(tmp_path / "p" / "a.edf")
    assert requested(tmp_path).critical == ()
    rows = "channel,start_time,stop_time,label,confidence\nTERM,10.0,20.0,seiz,1.0\n"
    (tmp_path / "p" / "a.csv_bi").write_text("# duration = 60.0 secs\n" + rows)
    assert requested(tmp_path).critical == ("p__a",)
    edf.set_annotations([edfio.EdfAnnotation(30, 10, "seizure")])
    edf.write(tmp_path / "p" / "a.edf")
    assert requested(tmp_path).critical == ()
