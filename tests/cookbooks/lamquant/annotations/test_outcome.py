"""Several sources for one recording, recordings with gaps, and lists that are not lists."""

import os
from pathlib import Path
from typing import Any

import pytest

from cookbooks.lamquant.annotations.marks import About, Piece
from cookbooks.lamquant.formats.edf.tal import Tal
from tests.cookbooks.lamquant.annotations import test_bids, test_chbmit, test_tuh
from tests.cookbooks.lamquant.annotations.written import events, outcome, refused, table, whole

NAME = "sub-01_eeg.edf"
BIDS = {"sub-01_events.tsv": "onset\tduration\teventType\n30\t40\tsz\n90\t1\tspike\n"}
SAME, OTHER = [Tal(30.4, 40.2, ["seizure"])], [Tal(32.0, 40.0, ["seizure"])]


def both(folder: Path, tals: list[Tal], **options: Any):
    return outcome(folder, BIDS, tals=tals, about=whole(NAME), **options)


def test_sources_that_agree_are_taken_together(tmp_path: Path) -> None:
    found = both(tmp_path, [*SAME, Tal(5.0, 1.0, ["chewing"])])
    assert events(found) == [("ARTIFACT", 5.0, 1.0), ("CRITICAL", 30.4, 40.2), ("INTERESTING", 90.0, 1.0)]
    assert found.sources == ["edf+", "bids"]
    assert [event.source for event in found.events["x"]] == ["edf+", "edf+", "bids"]


@table(
    {
        "1.6 s later": OTHER,
        "another end": [Tal(30.0, 42.0, ["seizure"])],
        "one more": [*SAME, Tal(200.0, 9.0, ["seizure"])],
        "none": [Tal(0.0, 345.0, ["bckg"])],
    }
)
def test_sources_that_disagree_are_listed_and_refused(tmp_path: Path, case: list[Tal]) -> None:
    found = both(tmp_path, case)
    refused(found, "edf+ and bids", "do not agree on the seizures")
    assert found.claims["bids"] == [(30.0, 70.0)]
    assert "labels=edf+ or labels=bids" in found.remedy


def test_naming_one_source_settles_it(tmp_path: Path) -> None:
    assert events(both(tmp_path, OTHER, labels="edf+")) == [("CRITICAL", 32.0, 40.0)]
    assert events(both(tmp_path, OTHER, labels="bids"))[0] == ("CRITICAL", 30.0, 40.0)
    assert both(tmp_path, OTHER, labels="tuh").state == "unannotated"
    assert both(tmp_path, OTHER, labels="none").state == "unannotated"


def test_a_source_that_is_not_named_is_not_even_read(tmp_path: Path) -> None:
    odd = [Tal(1.0, None, ["whatever"])]
    refused(both(tmp_path, odd), "edf+", "1 text")
    assert both(tmp_path, odd, labels="bids").state == "annotated"


def test_notes_that_say_nothing_of_seizures_do_not_disagree(tmp_path: Path) -> None:
    found = both(tmp_path, [Tal(5.0, None, ["Eyes open"]), Tal(9.0, None, ["spike"])])
    assert [event[0] for event in events(found)] == ["INTERESTING", "CRITICAL", "INTERESTING"]


def test_rows_of_many_channels_are_one_seizure(tmp_path: Path) -> None:
    files = {"x.csv": test_tuh.CSV, "x-summary.txt": "File Name: x.edf\nNumber of Seizures in File: 1\n"
             "Seizure Start Time: 37 seconds\nSeizure End Time: 183 seconds\n"}  # fmt: skip
    assert outcome(tmp_path, files).sources == ["csv", "summary"]


GAP = About("x.edf", (Piece("a", 0.0, 10.0, 1000, 100.0), Piece("b", 20.0, 10.0, 1000, 100.0)))


def test_events_are_cut_at_gaps_and_count_from_the_start_of_their_entry(tmp_path: Path) -> None:
    tals = [
        Tal(5.0, 20.0, ["seizure"]),  # over the gap
        Tal(12.0, 2.0, ["spike"]),  # in it
        Tal(21.0, None, ["chewing"]),
        Tal(10.0, None, ["spike"]),  # where it begins
        Tal(29.5, 5.0, ["muscle"]),
    ]
    found = outcome(tmp_path, {}, tals=tals, about=GAP)
    got = {stem: [(e.label, e.onset_s, e.duration_s) for e in each] for stem, each in found.events.items()}
    assert got == {
        "a": [("CRITICAL", 5.0, 5.0)],
        "b": [("CRITICAL", 0.0, 5.0), ("ARTIFACT", 1.0, 1.0), ("ARTIFACT", 9.5, 0.5)],
    }
    assert found.dropped == 2


@pytest.mark.parametrize(("stated", "state"), [("30", "annotated"), ("20", "annotated"), ("25", "refused")])
def test_the_length_of_a_recording_with_gaps_is_with_them_or_without(
    tmp_path: Path, stated: str, state: str
) -> None:
    text = test_tuh.CSV_HEAD.replace("345.0000", stated) + "TERM,1.0,2.0,seiz,1.0\n"
    assert outcome(tmp_path, {"x.csv_bi": text}, about=GAP).state == state


SECRET = "Lovelace"
HOSTILE: dict[str, bytes] = {
    "random": os.urandom(5000),
    "NUL": b"onset\tduration\0" + SECRET.encode(),
    "UTF-16": ("\ufeff" + SECRET).encode("utf-16-le"),
    "UTF-16, the other way": SECRET.encode("utf-16-be"),
    "a long line": b"#" * 100_000 + b"\n" + SECRET.encode(),
    "quotes": b'"' * 1000 + SECRET.encode(),
    "an escape": b"\x1b[31m" + SECRET.encode(),
    "only line ends": b"\r\n\r\r\n\n",
    "a mark of UTF-8 and no more": b"\xef\xbb\xbf",
    "lone surrogates": b"\xed\xa0\x80" + SECRET.encode(),
    "deep numbers": b"# duration = " + b"9" * 5000 + b" secs\n",
}  # fmt: skip
LISTS = ["x.csv_bi", "x.tse", "x.tse_bi", "x.rec", "x.edf.seizures"]


@pytest.mark.parametrize("name", LISTS)
@table({words: (data,) for words, data in HOSTILE.items()})
def test_a_hostile_list_is_refused_without_a_word_of_it(
    tmp_path: Path, case: tuple[bytes], name: str
) -> None:
    found = outcome(tmp_path, {name: case[0]})
    refused(found, name.removeprefix("x.").removeprefix("edf."), "")
    assert SECRET not in found.problem + found.remedy


@pytest.mark.parametrize("name", ["x.csv", "chb01-summary.txt", "Seizures-list-PN00.txt", "x_events.tsv"])
@table({words: (data,) for words, data in HOSTILE.items()})
def test_a_hostile_list_that_may_be_of_others_never_annotates(
    tmp_path: Path, case: tuple[bytes], name: str
) -> None:
    about = whole("x_eeg.edf") if "events" in name else None
    found = outcome(tmp_path, {name: case[0]}, about=about)
    assert found.state in ("refused", "unannotated")
    assert SECRET not in found.problem + found.remedy


@pytest.mark.parametrize(
    "text", [test_tuh.CSV_BI, test_tuh.TSE, test_tuh.REC, test_chbmit.SUMMARY, test_bids.SZCORE]
)
def test_a_list_cut_anywhere_gives_labels_or_a_refusal_and_never_an_error(tmp_path: Path, text: str) -> None:
    for name in (
        "x.csv_bi",
        "x.tse",
        "x.rec",
        "x-summary.txt",
        "Seizures-list-1.txt",
        "x_events.tsv",
        "x.edf.seizures",
    ):
        about = whole("x_eeg.edf" if "events" in name else "x.edf")
        for length in range(0, len(text), 23):
            assert outcome(tmp_path / name, {name: text[:length]}, about=about).state


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"#" * 10_000_000, "more than 65536 characters"), (b"1\n" * 200_001, "more than 200000 lines")],
)
def test_a_list_longer_than_any_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    refused(outcome(tmp_path, {"x.csv_bi": data}), "csv_bi", problem)


@pytest.mark.parametrize("name", ["x.csv_bi", "x.edf.seizures"])
def test_a_file_larger_than_any_list_is_not_read(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(1 << 40)
    refused(
        outcome(tmp_path, {}, beside=[name]), name.removeprefix("x.").removeprefix("edf."), "it has more than"
    )


@pytest.mark.parametrize("kind", ["directory", "pipe", "gone"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.csv_bi"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    refused(outcome(tmp_path, {}, beside=["x.csv_bi"]), "csv_bi", "it ")
