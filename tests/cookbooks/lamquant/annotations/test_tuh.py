"""Lists of the Temple University corpora."""

from pathlib import Path

from tests.cookbooks.lamquant.annotations.written import events, outcome, refused, table

CSV_HEAD = """# version = csv_v1.0.0
# bname = x
# duration = 345.0000 secs
# montage_file = lib/montage.txt
#
channel,start_time,stop_time,label,confidence
"""
CSV_BI = CSV_HEAD + "TERM,0.0000,36.8868,bckg,1.0000\nTERM,36.8868,183.3055,seiz,1.0000\n"
CSV = (
    CSV_HEAD
    + "FP1-F7,36.8868,100.0,fnsz,1.0000\nF7-T3,36.8868,183.3055,fnsz,1.0000\nC3-CZ,5.0,6.5,spsw,1.0\n"
)
TSE = (
    "version = tse_v1.0.0\n\n0.0000 36.8868 bckg 1.0000\n36.8868 183.3055 seiz 0.99\n183.3055 345.0 bckg 1\n"
)
REC = "0,130.0,131.0,6\n3,20.0,21.0,1\n3,40.0,41.0,4\n"


def test_csv_bi_gives_seizures_and_background(tmp_path: Path) -> None:
    found = outcome(tmp_path, {"x.csv_bi": CSV_BI})
    assert events(found) == [("BACKGROUND", 0.0, 36.8868), ("CRITICAL", 36.8868, 146.4187)]
    assert found.sources == ["csv_bi"]


def test_csv_bi_is_preferred_to_csv_and_that_to_tse(tmp_path: Path) -> None:
    assert outcome(tmp_path, {"x.csv_bi": CSV_BI, "x.csv": CSV, "x.tse": TSE}).sources == ["csv_bi"]
    assert outcome(tmp_path / "b", {"x.csv": CSV, "x.tse": TSE}).sources == ["csv"]
    assert outcome(tmp_path / "c", {"x.tse_bi": TSE, "x.tse": "broken"}).sources == ["tse_bi"]


def test_rows_of_several_channels_and_windows_line_ends(tmp_path: Path) -> None:
    found = outcome(tmp_path, {"x.csv": b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()})
    assert events(found) == [
        ("INTERESTING", 5.0, 1.5),
        ("CRITICAL", 36.8868, 63.1132),
        ("CRITICAL", 36.8868, 146.4187),
    ]


@table(
    {
        "another recording's": (CSV_BI.replace("345.0000", "355.0000"), "duration is not the recording's"),
        "1.1 s longer": (CSV_BI.replace("345.0000", "346.1"), "duration is not the recording's"),
        "no duration": (CSV_BI.replace("# duration = 345.0000 secs\n", ""), "does not say the duration"),
        "duration NaN": (CSV_BI.replace("345.0000", "nan"), "not a number of seconds"),
        "duration in minutes": (CSV_BI.replace("345.0000 secs", "5.75 min"), "not a number of seconds"),
        "two durations": (CSV_BI.replace("# bname = x", "# duration = 9 secs"), "duration is not"),
        "cut in a row": (CSV_BI[:-12], "columns of 5"),
        "cut after the header": (CSV_HEAD, "no rows"),
        "cut before the header": (CSV_HEAD[:60], "header"),
        "another order of columns": (
            CSV_BI.replace("start_time,stop_time", "stop_time,start_time"),
            "header",
        ),
        "stop before start": (CSV_BI + "TERM,90.0,80.0,seiz,1.0\n", "does not stop after its start"),
        "stop at start": (CSV_BI + "TERM,90.0,90.0,seiz,1.0\n", "does not stop after its start"),
        "after the end": (CSV_BI + "TERM,340.0,346.5,seiz,1.0\n", "outside the recording of 345 s"),
        "before the start": (CSV_BI + "TERM,-5.0,9.0,seiz,1.0\n", "outside the recording of 345 s"),
        "infinite": (CSV_BI + "TERM,90.0,inf,seiz,1.0\n", "the stop is not a number of seconds"),
        "huge": (CSV_BI + "TERM,90.0,1e99,seiz,1.0\n", "the stop is not a number of seconds"),
        "underscored": (CSV_BI + "TERM,9_0.0,99,seiz,1.0\n", "the start is not a number of seconds"),
        "digits of another script": (CSV_BI + "TERM,٩٠,99,seiz,1.0\n", "the start is not a number"),
        "no label": (CSV_BI + "TERM,90.0,99.0,,1.0\n", "the label is empty"),
        "no confidence": (CSV_BI + "TERM,90.0,99.0,seiz,\n", "the confidence is not a number"),
        "label of nobody": (CSV_BI + "TERM,90.0,99.0,zzzz,1.0\n", "1 text that the vocabulary does not know"),
        "empty": ("", "header"),
    }
)
def test_a_broken_csv_bi_costs_the_labels(tmp_path: Path, case: tuple[str, str]) -> None:
    refused(outcome(tmp_path, {"x.csv_bi": case[0]}), "csv_bi", case[1])


@table(
    {
        "0.9 s longer": CSV_BI.replace("345.0000", "345.9"),
        "overlapping rows": CSV_BI + "TERM,100.0,150.0,seiz,1.0\n",
        "quoted": CSV_BI + 'TERM,"100.0","150.0","seiz","1.0"\n',
        "to the end and half a second more": CSV_BI + "TERM,340.0,345.5,seiz,1.0\n",
    }
)
def test_what_is_in_order_in_a_csv_bi(tmp_path: Path, case: str) -> None:
    found = outcome(tmp_path, {"x.csv_bi": case})
    assert ("CRITICAL", 36.8868, 146.4187) in events(found)
    assert all(onset + duration <= 345 for _, onset, duration in events(found))


def test_a_csv_of_something_else_is_none_of_ours(tmp_path: Path) -> None:
    found = outcome(tmp_path, {"x.csv": "time,Fp1,Fp2\n0.0,1.5,2.5\n"})
    assert (found.state, found.sources) == ("unannotated", [])


def test_artefacts_alone_say_nothing_of_seizures(tmp_path: Path) -> None:
    """The artefact corpus has no background rows: no seizure in it does not mean that there was none."""
    artefacts = CSV_HEAD + "FP1-F7,5.0,6.0,chew,1.0\n"
    summary = "File Name: x.edf\nNumber of Seizures in File: 1\n"
    summary += "Seizure Start Time: 50 seconds\nSeizure End Time: 60 seconds\n"
    found = outcome(tmp_path, {"x.csv": artefacts, "x-summary.txt": summary})
    assert events(found) == [("ARTIFACT", 5.0, 1.0), ("CRITICAL", 50.0, 10.0)]


def test_tse_rows_tile_the_file(tmp_path: Path) -> None:
    found = outcome(tmp_path, {"x.tse": TSE})
    assert [label for label, *_ in events(found)] == ["BACKGROUND", "CRITICAL", "BACKGROUND"]


@table(
    {
        "a hole": (TSE.replace("36.8868 183.3055", "40.0 183.3055"), "does not begin where"),
        "an overlap": (TSE.replace("36.8868 183.3055", "30.0 183.3055"), "does not begin where"),
        "cut off": ("\n".join(TSE.splitlines()[:-1]), "do not end with the recording"),
        "of a longer recording": (TSE.replace("345.0 ", "355.0 "), "outside the recording"),
        "not from the start": (TSE.replace("0.0000 36.8868 bckg 1.0000\n", ""), "does not begin where"),
        "no version": (TSE.replace("version = tse_v1.0.0\n", ""), "not a tse version"),
        "three columns": (TSE.replace(" 0.99", ""), "3 columns of 4"),
        "no rows": ("version = tse_v1.0.0\n", "no rows"),
    }
)
def test_a_broken_tse_costs_the_labels(tmp_path: Path, case: tuple[str, str]) -> None:
    for suffix in ("tse", "tse_bi"):
        refused(outcome(tmp_path / suffix, {f"x.{suffix}": case[0]}), suffix, case[1])


def test_rec_has_codes(tmp_path: Path) -> None:
    found = outcome(tmp_path, {"x.rec": REC})
    assert events(found) == [("INTERESTING", 20.0, 1.0), ("ARTIFACT", 40.0, 1.0), ("BACKGROUND", 130.0, 1.0)]


@table(
    {
        "code 7": (REC + "3,60.0,61.0,7\n", "line 4: its code is none of 1, 2, 3, 4, 5, 6"),
        "code 0": (REC + "3,60.0,61.0,0\n", "its code"),
        "code 1.0": (REC + "3,60.0,61.0,1.0\n", "its code"),
        "a name for a code": (REC + "3,60.0,61.0,spsw\n", "its code"),
        "backwards": (REC + "3,61.0,60.0,1\n", "does not stop after its start"),
        "outside": (REC + "3,400.0,401.0,1\n", "outside the recording"),
        "cut off": (REC[:-4], "3 columns of 4"),
        "an EDF file of that name": (b"0       " + b" " * 248 + b"\x01\x02\x00\x04", "control characters"),
    }
)
def test_a_broken_rec_costs_the_labels(tmp_path: Path, case: tuple[str | bytes, str]) -> None:
    refused(outcome(tmp_path, {"x.rec": case[0]}), "rec", case[1])
