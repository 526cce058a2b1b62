"""Whose recording a file is: what of its header and path joins it to others, and what it is called."""

from pathlib import Path, PurePosixPath

import edfio
import numpy as np
import pytest

from cookbooks.lamquant.data_kinds import KINDS
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.join import People, joined
from cookbooks.lamquant.subjects.names import pseudonym


def people(*files: str, codes: dict[str, str] | None = None) -> People:
    """The people of these files; a file is ``path`` or ``root:path``, ``codes`` are patients of headers."""
    entries = []
    for file in files:
        root, _, path = file.rpartition(":")
        code = (codes or {}).get(file)
        evidence = evidence_of(PurePosixPath(path), pseudonym(code) if code else None)
        entries.append({"stem": file, "root": root, "evidence": evidence})
    return joined(entries)


def parted(*files: str, codes: dict[str, str] | None = None) -> list[list[str]]:
    return sorted(list(unit.stems) for unit in people(*files, codes=codes).all())


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("tuh/train/aaaaaaac_s001_t000.edf", "aaaaaaac"),
        ("x/chb01_03.edf", "chb01"),
        ("x/PN00-1.edf", "PN00"),
        ("smith_20240131.edf", "smith"),
        ("bids/sub-07/ses-1/eeg/sub-07_ses-1_task-rest_eeg.edf", "07"),
        ("S001/S001R01.edf", "S001"),
        ("tuh/aab/s003_2012/unnamed.edf", "aab"),
        ("anna/rest.edf", "anna"),
        ("anna/session2/eeg/rest.edf", "anna"),
        ("rest.edf", "rest"),
    ],
)
def test_a_subject_is_called_by_its_most_telling_evidence(path: str, subject: str) -> None:
    entries = [{"stem": path, "evidence": evidence_of(PurePosixPath(path), None)}]
    assert joined(entries).units[path].name == subject


TREES = {
    "by patient": ["p00/rec1.edf p00/rec2.edf", "p01/rec1.edf", "p02/rec1.edf p02/rec2.edf"],
    "visits below patients": ["p00/visit1/a.edf p00/visit2/a.edf", "p01/visit1/a.edf"],
    "patients below visits": ["visit1/p00.edf visit2/p00.edf", "visit1/p01.edf", "visit2/p02.edf"],
    "patients below short visits": ["t1/p00.edf t2/p00.edf", "t1/p01.edf t2/p01.edf"],
    "by year": ["2021/p00.edf 2022/p00.edf", "2021/p01.edf", "2023/p02.edf"],
    "numbers by year": ["2021/10001.edf 2022/10001.edf", "2021/10002.edf"],
    "numbers below numbers": ["10023456/56_a.edf 10023456/57_a.edf", "20034567/56_a.edf"],
    "short numbers": ["001/001.edf 001/002.edf", "002/001.edf"],
    "names": ["anna/1.edf anna/2.edf", "ben/1.edf", "carl/1.edf"],
    "names, sessions by letter": ["anna/s1.edf anna/s2.edf", "ben/s1.edf", "carl/s1.edf"],
    "letters and numbers below sessions": ["ses-1/S1.edf ses-2/S1.edf", "ses-1/S2.edf", "ses-2/S3.edf"],
    "names, flat": ["anna_1.edf anna_2.edf", "ben_1.edf", "carl_1.edf"],
    "kinds of recording": ["anna/rest.edf", "ben/rest.edf", "carl/rest.edf"],
    "groups": ["control/control01.edf", "control/control02.edf", "patients/patient01.edf"],
    "sites": ["siteA/p00.edf siteA/p00/x.edf", "siteB/p00.edf"],
    "dates": ["EEG_20240131.edf", "EEG_20240201.edf", "EEG_20240202.edf"],
    "BIDS": [
        "sub-01/ses-1/eeg/sub-01_ses-1_eeg.edf sub-01/ses-2/eeg/sub-01_ses-2_eeg.edf",
        "sub-02/ses-1/eeg/sub-02_ses-1_eeg.edf",
    ],
    "TUH": [
        "edf/dev/01_tcp_ar/002/00000258/s002_2003_07_21/00000258_s002_t000.edf",
        "edf/dev/01_tcp_ar/002/00000260/s002_2003_07_21/00000260_s002_t000.edf",
        "edf/train/aaaaaaaa/s001_2012/aaaaaaaa_s001_t000.edf edf/dev/aaaaaaaa/s002_2012/x.edf",
    ],
    "CHB-MIT, mixed case": ["CHB05/CHB05_01.edf chb05/chb05_02+.edf", "chb02/chb02_16+.edf"],
    "CHB-MIT, the girl who came twice": ["chb01/chb01_03.edf chb21/chb21_01.edf", "chb02/chb02_16.edf"],
    "Siena": ["PN00/PN00-1.edf PN00/PN00-2.edf", "PN01/PN01-1.edf"],
    "Sleep-EDF": ["SC4001E0-PSG.edf SC4002E0-PSG.edf", "SC4011E0-PSG.edf", "ST7011J0-PSG.edf"],
    "Sleep-EDF, bare": ["SC4001.edf SC4002.edf", "SC4011.edf"],
    "NSRR": ["shhs1/shhs1-200001.edf shhs2/shhs2-200001.edf", "shhs1/shhs1-200002.edf"],
    "EEGMMIDB": ["S001/S001R01.edf S001/S001R02.edf", "S002/S002R01.edf"],
    "a word that all have": ["code_001/a.edf code_001/b.edf", "code_002/a.edf", "code_003/a.edf"],
    "two numbers in a name": ["01_1.edf 01_2.edf", "02_1.edf", "03_1.edf 03_2.edf"],
    "a number, a letter": ["56_a.edf 56_b.edf", "57_a.edf", "58a.edf 58b.edf"],
    "UUIDs": [
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301.edf",
        "77ab04e0-4f89-11d3-9a0c-0305e82c3301.edf",
        "a1b2c3d4-4f89-41d3-9a0c-112233445566.edf",
    ],
    "times": [
        "anna_20240131_1015.edf anna_20240201_1015.edf",
        "ben_20240131_1015.edf",
        "carl_20240131_1720.edf",
    ],
    "segments": ["p00/long.edf p00/longer.edf", "p01/long.edf"],
    "roots": ["A:p00/a.edf A:p00/b.edf", "A:p01/a.edf", "B:p00/a.edf"],
}


@pytest.mark.parametrize("tree", TREES)
def test_an_ordinary_tree_without_headers_is_parted_into_its_people(tree: str) -> None:
    whose = sorted(sorted(files.split()) for files in TREES[tree])
    assert parted(*(file for files in whose for file in files)) == whose


def test_a_header_joins_across_directories_and_a_directory_of_two_codes_joins_nobody() -> None:
    files = ["clinic/a.edf", "clinic/b.edf", "other/c.edf", "other/d.edf"]
    codes = dict(zip(files, ["A", "B", "a", "C"], strict=True))
    assert parted(*files, codes=codes) == [["clinic/a.edf", "other/c.edf"], ["clinic/b.edf"], ["other/d.edf"]]


def test_a_code_that_every_header_of_a_source_has_is_no_evidence_and_that_is_told() -> None:
    files = ["2021/x1.edf", "2021/x2.edf", "2022/x3.edf"]
    found = people(*files, codes=dict.fromkeys(files, "HOSPITAL"))
    assert len(found.all()) == 3 and all(unit.names_only for unit in found.all())
    assert any("every header" in one for one in found.ignored)


def test_a_source_with_one_patient_alone_is_one_patient() -> None:
    for files in (
        ["p00/a.edf", "p00/b.edf"],
        ["chb01_01.edf", "chb01_02.edf"],
        ["Patient 3/1.edf", "Patient 3/2.edf"],
    ):
        assert parted(*files) == [files]


def test_codes_of_two_sources_are_two_people() -> None:
    files = ["A:1.edf", "A:2.edf", "B:1.edf", "B:2.edf"]
    assert len(parted(*files, codes=dict(zip(files, "1212", strict=True)))) == 4


def test_two_readings_of_a_tree_are_both_taken() -> None:
    files = [f"{word}/{n:02}.edf" for word in ("alpha", "beta") for n in range(4)]
    assert parted(*files) == [sorted(files)]


def test_a_dataset_shows_its_subjects_with_their_evidence(tmp_path: Path) -> None:
    for path, code in (
        ("night1/a.edf", "MRN1"),
        ("night2/b.edf", "mrn1"),
        ("p01/c.edf", None),
        ("p01/d.edf", None),
    ):
        signals = [edfio.EdfSignal(np.arange(512.0), 256, label="EEG Fp1", physical_dimension="uV")]
        (tmp_path / path).parent.mkdir(exist_ok=True)
        patient = edfio.Patient(code=code) if code else edfio.Patient()
        edfio.Edf(signals, patient=patient).write(tmp_path / path)
    (tmp_path / "p01" / "broken.edf").write_bytes(b"0       ")
    tables = KINDS[0].tables
    assert tables
    rows = {row["subject"]: row for row in tables(tmp_path)["subjects"]}
    assert rows["p01"] == {"subject": "p01", "evidence": "names only: 'p01' in the path", "files": 3}
    (other,) = rows.keys() - {"p01"}
    assert other == pseudonym("MRN1") and rows[other]["files"] == 2
    assert rows[other]["evidence"] == f"the patient code {other} in the header"


def test_a_dataset_shows_what_was_taken_for_no_evidence(tmp_path: Path) -> None:
    for path, code in (("anna/a.edf", "M1"), ("anna/b.edf", "M2"), ("ben/c.edf", "X")):
        signals = [edfio.EdfSignal(np.arange(512.0), 256, label="EEG Fp1", physical_dimension="uV")]
        (tmp_path / path).parent.mkdir(exist_ok=True)
        edfio.Edf(signals, patient=edfio.Patient(code=code)).write(tmp_path / path)
    tables = KINDS[0].tables
    assert tables
    told = "'anna', under which 2 different patient codes stand"
    assert tables(tmp_path)["no_evidence"] == [{"taken for no evidence of a person": told}]
