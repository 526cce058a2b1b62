"""Annotations of whole trees: by the payload, by the recipe, in the artifact, and in what the UI shows."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import edfio
import pytest

from blut_assets.definitions import defs
from blut_resources.instance.instance import store_of
from cookbooks.lamquant.annotations.vocabulary import SHIPPED_VOCABULARY
from cookbooks.lamquant.formats.edf.recording import open_edf
from cookbooks.lamquant.payload import annotations_build, lma_encode
from tests.conftest import REPOSITORY
from tests.cookbooks.lamquant.annotations.test_bids import HEAD
from tests.cookbooks.lamquant.annotations.written import seizures_file
from tests.cookbooks.lamquant.test_edf_ingest import edf_signals, wave, write_edf
from tests.e2e.box import BLUT

Marks = list[tuple[float, float | None, str]]
SECONDS, RATE = 60, 100
SECRET = "Ada Lovelace, born 1815-12-10"


def recording(path: Path, marks: Marks = [], seed: int = 0) -> Path:  # noqa: B006
    notes = [edfio.EdfAnnotation(*mark) for mark in marks]
    return write_edf(
        path, edf_signals(wave(2, SECONDS * RATE, seed)), **({"annotations": notes} if marks else {})
    )


def move_records(path: Path, onsets: list[float]) -> None:
    """Turn an EDF+C file with a record a second into an EDF+D file with records at these times."""
    data = bytearray(path.read_bytes())
    n_signals = int(data[252:256])
    start = int(data[184:192])
    counts = [int(data[(at := 256 + n_signals * 216 + 8 * index) : at + 8]) for index in range(n_signals)]
    size = 2 * sum(counts)
    data[192:197] = b"EDF+D"
    annotations = start + 2 * sum(counts[:-1])
    for index, onset in enumerate(onsets):
        at = annotations + index * size
        old = bytes(data[at : at + 2 * counts[-1]])
        rest = old[old.index(b"\x14\x14\0") :]
        data[at : at + 2 * counts[-1]] = (b"+%g" % onset + rest).ljust(2 * counts[-1], b"\0")[
            : 2 * counts[-1]
        ]
    path.write_bytes(data)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Encodes a tree, reads its annotations, and returns ``annotations.json``."""

    def run(module: Any, out: str, config: dict[str, Any], inputs: dict[str, Path]) -> Path:
        frozen = {
            "schema": 1,
            "fingerprint": "f",
            "config": config,
            "inputs": {name: str(path) for name, path in inputs.items()},
            "out": str(tmp_path / out),
            "work": str(tmp_path / f"{out}-work"),
        }
        path = tmp_path / f"{out}.json"
        path.write_text(json.dumps(frozen))
        monkeypatch.setattr(sys, "argv", ["payload", "--config", str(path)])
        module.main()
        return tmp_path / out

    def all_of(tree: Path, lists: list[str] | None = None, **config: Any) -> dict[str, Any]:
        corpus = run(lma_encode, "corpus", {}, {"recordings": tree})
        config = {"vocabulary": SHIPPED_VOCABULARY.read_text(), "lists": lists or [], **config}
        out = run(annotations_build, "made", config, {"corpus": corpus, "recordings": tree, "lists": tree})
        return json.loads((out / "annotations.json").read_text())

    return all_of


MARKS: Marks = [
    (5.0, None, "spike"),
    (10.5, 20.25, "Seizure"),
    (40.0, None, "sz start"),
    (45.5, None, "sz end"),
]


def test_annotations_of_a_file_are_those_that_others_read(tmp_path: Path, build: Any) -> None:
    path = recording(tmp_path / "in" / "a.edf", MARKS)
    peer = [(mark.onset, mark.duration, mark.text) for mark in edfio.read_edf(path).annotations]
    with open_edf(path) as file:
        ours = [
            (one.onset_s, one.duration_s, text) for one in file.annotations(strict=True) for text in one.texts
        ]
    assert ours == peer == MARKS
    found = build(tmp_path / "in")["recordings"]["a"]
    assert found == {
        "state": "annotated",
        "sources": ["edf+"],
        "duration_s": 60.0,
        "n_dropped": 0,
        "events": [
            ["INTERESTING", 5.0, 1.0, "edf+"],
            ["CRITICAL", 10.5, 20.25, "edf+"],
            ["CRITICAL", 40.0, 5.5, "edf+"],
        ],
    }


def by_mne(path: Path) -> list[tuple[float, float, str]]:
    import mne

    found = mne.io.read_raw_edf(path, preload=False, verbose="error").annotations
    return [(float(one["onset"]), float(one["duration"]), str(one["description"])) for one in found]


def by_pyedflib(path: Path) -> list[tuple[float, float, str]]:
    import pyedflib

    with pyedflib.EdfReader(str(path)) as file:
        onsets, durations, texts = file.readAnnotations()
        return [
            (float(a), max(float(b), 0.0), str(c)) for a, b, c in zip(onsets, durations, texts, strict=True)
        ]


@pytest.mark.parametrize("peer", [by_mne, by_pyedflib], ids=lambda peer: peer.__name__)
def test_other_readers_see_the_same_annotations(tmp_path: Path, peer: Any) -> None:
    path = recording(tmp_path / "a.edf", MARKS)
    with open_edf(path) as file:
        marks = [
            (one.onset_s, one.duration_s or 0.0, text) for one in file.annotations() for text in one.texts
        ]
    assert marks == peer(path)


def test_segments_of_a_recording_with_gaps_have_their_own_events(tmp_path: Path, build: Any) -> None:
    path = recording(
        tmp_path / "in" / "a.edf", [(28.0, 105.0, "seizure"), (90.0, 2.0, "spike"), (140.0, 3.0, "chew")]
    )
    move_records(path, [onset if onset < 30 else onset + 100 for onset in range(SECONDS)])
    found = build(tmp_path / "in")
    events = {stem: one["events"] for stem, one in found["recordings"].items()}
    assert list(events.values()) == [
        [["CRITICAL", 28.0, 2.0, "edf+"]],
        [["CRITICAL", 0.0, 3.0, "edf+"], ["ARTIFACT", 10.0, 3.0, "edf+"]],
    ]
    assert found["counts"]["n_dropped"] == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"+5\x14", b"x5\x14"),
        (b"+5\x14", b"++\x14"),
        (b"+10.5\x15", b"+1_.5\x15"),
        (b"+10.5\x1520.25", b"+10.5\x15inf--"),
    ],
)
def test_a_damaged_annotation_costs_the_labels(tmp_path: Path, build: Any, old: bytes, new: bytes) -> None:
    path = recording(tmp_path / "in" / "a.edf", MARKS)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    found = build(tmp_path / "in")["recordings"]["a"]
    assert found["state"] == "refused"
    assert found["problem"].startswith("edf+: an annotation is damaged")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Directories as CHB-MIT, the Temple corpora and BIDS have them, and some that nobody has annotated."""
    root = tmp_path / "tree"
    for number in (1, 2, 3):
        recording(root / "chb01" / f"chb01_0{number}.edf", seed=number)
    (root / "chb01" / "chb01-summary.txt").write_text(
        "File Name: chb01_01.edf\nNumber of Seizures in File: 1\nSeizure 1 Start Time: 20 seconds\n"
        "Seizure 1 End Time: 31 seconds\n\nFile Name: chb01_03.edf\nNumber of Seizures in File: 0\n"
    )
    (root / "chb01" / "chb01_01.edf.seizures").write_bytes(seizures_file([(2000, 3100)]))
    tuh = root / "tuh" / "aaaaaaaa" / "s001_2010" / "01_tcp_ar"
    rows = "channel,start_time,stop_time,label,confidence\n"
    rows += "TERM,0,20,bckg,1\nTERM,20,25,seiz,1\nTERM,25,60,bckg,1\n"
    for number, duration in ((0, 60), (1, 70)):
        name = f"aaaaaaaa_s001_t00{number}"
        recording(tuh / f"{name}.edf", seed=10 + number)
        (tuh / f"{name}.csv_bi").write_text(f"# version = csv_v1.0.0\n# duration = {duration}.0 secs\n{rows}")
    bids = root / "bids" / "sub-01" / "eeg"
    recording(bids / "sub-01_task-x_eeg.edf", seed=20)
    (bids / "sub-01_task-x_events.tsv").write_text(HEAD + "30.0\t9.5\tsz_foc_ia\tn/a\tn/a\tn/a\t60.00\n")
    recording(root / "odd" / "one.edf", [(3.0, None, SECRET), (9.0, None, "Eyes open")], seed=30)
    recording(root / "odd" / "two.edf", [(3.0, None, "Recording starts"), (8.0, 1.0, "")], seed=31)
    recording(root / "odd" / "three.edf", MARKS, seed=32)
    (root / "odd" / "three.csv").write_text("time,Fp1\n0,1\n")
    return root


def run(home: Path, **args: Any) -> tuple[dict[str, Any], dg.ExecuteInProcessResult]:
    """Run the recipe in a home of its own; ``annotations.json``, and the result."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        job = defs.resolve_job_def("lamquant_data_prep")
        result = job.execute_in_process({"workers": 1, **args}, instance=instance)
        assert result.success
        (event,) = result.asset_materializations_for_node("lamquant__annotations")
        digest = event.metadata["artifact"].value["digest"]  # type: ignore[union-attr,index]
        return json.loads(store_of(instance).read(str(digest), "annotations.json")), result


def test_the_recipe_keeps_what_was_marked_in_every_kind_of_tree(tree: Path, home: Path) -> None:
    found, result = run(home, edf_root=str(tree))
    states = {stem: (one["state"], one["sources"]) for stem, one in found["recordings"].items()}
    tuh = "tuh__aaaaaaaa__s001_2010__01_tcp_ar__aaaaaaaa_s001_t00"
    assert states == {
        "chb01__chb01_01": ("annotated", ["summary", "seizures"]),
        "chb01__chb01_02": ("unannotated", []),
        "chb01__chb01_03": ("annotated", ["summary"]),
        f"{tuh}0": ("annotated", ["csv_bi"]),
        f"{tuh}1": ("refused", ["csv_bi"]),
        "bids__sub-01__eeg__sub-01_task-x_eeg": ("annotated", ["bids"]),
        "odd__one": ("refused", ["edf+"]),
        "odd__two": ("unannotated", []),
        "odd__three": ("annotated", ["edf+"]),
    }
    critical = {
        stem: event[1:3]
        for stem, one in found["recordings"].items()
        for event in one.get("events", [])
        if event[0] == "CRITICAL" and stem != "odd__three"
    }
    assert critical == {
        "chb01__chb01_01": [20.0, 11.0],
        f"{tuh}0": [20.0, 5.0],
        "bids__sub-01__eeg__sub-01_task-x_eeg": [30.0, 9.5],
    }
    assert found["counts"] == {
        "n_annotated": 5, "n_unannotated": 2, "n_refused": 2,
        "n_events": 8, "n_dropped": 0, "n_unknown_texts": 1,
        "classes": {"BACKGROUND": 2, "CRITICAL": 5, "INTERESTING": 1},
        "sources": {"bids": 1, "csv_bi": 1, "edf+": 1, "seizures": 1, "summary": 2},
        "events_by_source": {"bids": 1, "csv_bi": 3, "edf+": 3, "summary": 1},
        "hours": round(300 / 3600, 6),
    }  # fmt: skip
    (event,) = result.asset_materializations_for_node("lamquant__annotations")
    rows = [dict(row.data) for row in event.metadata["recordings"].records]  # type: ignore[union-attr]
    assert len(rows) == 7
    assert {row["recording"]: row["CRITICAL"] for row in rows}["odd__three"] == 2
    assert {row.data["recording"] for row in event.metadata["refused"].records} == {f"{tuh}1", "odd__one"}  # type: ignore[union-attr]
    assert "texts" not in event.metadata
    (corpus,) = result.asset_materializations_for_node("lamquant__lma_corpus")
    assert corpus.metadata["n_archives"].value == 9


@pytest.mark.heavy
def test_texts_are_kept_only_where_that_is_said(tree: Path, home: Path) -> None:
    plain, _ = run(home, edf_root=str(tree))
    assert "Lovelace" not in json.dumps(plain)
    kept, result = run(home, edf_root=str(tree), identity="keep")
    assert {"source": "edf+", "class": "", "text": SECRET.casefold(), "n": 1} in kept["texts"]
    (event,) = result.asset_materializations_for_node("lamquant__annotations")
    assert "texts" in event.metadata


@pytest.mark.heavy
def test_a_list_that_changes_makes_the_annotations_new_and_nothing_else(tree: Path, home: Path) -> None:
    def computed(**args: Any) -> set[str]:
        _, result = run(home, edf_root=str(tree), **args)
        events = [event for event in result.get_asset_materialization_events()]
        return {
            event.asset_key.path[-1]  # type: ignore[union-attr]
            for event in events
            if event.materialization.metadata["reused"].value is False
        } & {"lma_corpus", "annotations"}

    assert computed() == {"lma_corpus", "annotations"}
    assert computed() == set()
    summary = tree / "chb01" / "chb01-summary.txt"
    summary.write_text(summary.read_text() + "\nFile Name: chb01_02.edf\nNumber of Seizures in File: 0\n")
    assert computed() == {"annotations"}
    own = tree.parent / "own.yaml"
    own.write_text(SHIPPED_VOCABULARY.read_text())
    assert computed(vocabulary=str(own)) == set()
    own.write_text(SHIPPED_VOCABULARY.read_text().replace("chew,", "chew, kaubewegung,"))
    assert computed(vocabulary=str(own)) == {"annotations"}
    assert computed(labels="bids") == {"annotations"}


def test_lists_that_lead_out_or_nowhere_are_left_out_and_said(
    tree: Path, home: Path, tmp_path: Path, capfd: Any
) -> None:
    outside = tmp_path / "outside.tsv"
    outside.write_text("onset\tduration\teventType\n1\t2\tsz\n")
    (tree / "odd" / "one.csv_bi").symlink_to(outside)
    (tree / "odd" / "two.csv_bi").symlink_to("/nowhere")
    os.mkfifo(tree / "odd" / "three.tse")
    (tree / "chb01" / "more-summary.txt").mkdir()
    inside = tree / "chb01" / "chb01-summary.txt"
    inside.rename(tree / "kept.txt")
    inside.symlink_to("../kept.txt")
    found, _ = run(home, edf_root=str(tree))
    assert found["counts"]["n_annotated"] == 5
    assert "4 lists of annotations are left out" in capfd.readouterr().err


@pytest.mark.heavy
def test_lists_of_several_directories_stay_with_their_recordings(tmp_path: Path, home: Path) -> None:
    """Two directories have recordings of equal names, and lists of other content; archives have none."""
    rows = {"one": "TERM,5,6,seiz,1\n", "two": "TERM,7,9,seiz,1\n"}
    for number, (name, row) in enumerate(rows.items()):
        recording(tmp_path / name / "x.edf", seed=number)
        head = "# duration = 60.0 secs\nchannel,start_time,stop_time,label,confidence\n"
        (tmp_path / name / "x.csv_bi").write_text(head + row)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run(home, edf_root=str(tmp_path / "one"))
        made = next(store_of(instance).root.rglob("*.lma"))
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "y.lma").write_bytes(made.read_bytes())
    places = [str(tmp_path / name) for name in rows]
    found, _ = run(home, edf_roots=places, lma_roots=[str(tmp_path / "made")])
    events = {stem: one.get("events") for stem, one in found["recordings"].items()}
    assert events.pop("one__x") == [["CRITICAL", 5.0, 1.0, "csv_bi"]]
    assert events.pop("two__x") == [["CRITICAL", 7.0, 2.0, "csv_bi"]]
    assert len(events) == 1 and found["counts"]["n_unannotated"] == 1


@pytest.mark.heavy
def test_lists_beside_a_dataset_do_not_make_it_another_one(tree: Path, home: Path, capfd: Any) -> None:
    added = subprocess.run([*BLUT, "data", "add", "people", str(tree)], cwd=REPOSITORY, capture_output=True)
    assert added.returncode == 0, added.stderr
    run(home, edf_root="data://people")
    (tree / "odd" / "two.tse").write_text("version = tse_v1.0.0\n0 60 bckg 1\n")
    run(home, edf_root="data://people")
    assert "has changed since it was added" not in capfd.readouterr().err


def test_a_vocabulary_that_cannot_be_read_is_refused_before_anything_runs(tree: Path, home: Path) -> None:
    (tree / "bad.yaml").write_text("schema: blut.annotation_vocabulary.v1\nlabels: {SEVERE: [seiz]}\n")
    with pytest.raises(Exception, match=r"bad\.yaml: labels\.SEVERE"):
        run(home, edf_root=str(tree), vocabulary=str(tree / "bad.yaml"))


def test_the_texts_that_nobody_knows_are_printed_for_whoever_asks(tree: Path, tmp_path: Path) -> None:
    def said(*args: str) -> str:
        command = [sys.executable, "-m", "cookbooks.lamquant.annotations", *args]
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
        return done.stdout

    recording(
        tree / "odd" / "four.edf", [(1.0, None, "eye\x1b[31mroll"), (2.0, None, "eye\x1b[31mroll")], seed=40
    )
    lines = said(str(tree)).splitlines()
    assert [line.split()[:3] for line in lines] == [["2", "unknown", "edf+"], ["1", "unknown", "edf+"]]
    assert lines[0].endswith(r"eye\x1b[31mroll") and lines[1].endswith(SECRET.casefold())
    own = tmp_path / "own.yaml"
    own.write_text(f"schema: blut.annotation_vocabulary.v1\nlabels: {{IGNORED: [{json.dumps(SECRET)}]}}\n")
    assert SECRET.casefold() not in said(str(tree), "--vocabulary", str(own))
    assert "CRITICAL" in said(str(tree), "--all")
