"""What the texts of annotations stand for, in the shipped file and in one of a user's own."""

from pathlib import Path

import pytest

from cookbooks.lamquant.annotations.vocabulary import VocabularyError, parse_vocabulary, read_vocabulary
from cookbooks.lamquant.formats.edf.tal import Tal
from tests.cookbooks.lamquant.annotations.written import SHIPPED, events, outcome, refused

TUH = "seiz fnsz gnsz spsz cpsz absz tnsz cnsz tcsz atsz mysz nesz"


@pytest.mark.parametrize(
    "text",
    [*TUH.split(), "sz", "sz_foc_ia", "sz_gen_m_tonicClonic", "Seizure", "SEIZURE 2", "Sz", "ictal",
     " seizure ", "electrographic seizure", "Focal tonic-clonic seizure, left arm", "seizure.",
     "\uff53\uff45\uff49\uff5a\uff55\uff52\uff45"],
)  # fmt: skip
def test_a_seizure_is_critical(text: str) -> None:
    assert SHIPPED.class_of(text) == "CRITICAL"


@pytest.mark.parametrize(
    "text",
    ["no seizure", "No Seizures", "interictal", "inter-ictal", "postictal", "post ictal", "preictal",
     "non-ictal", "seizure?", "? sz", "possible seizure", "not a seizure", "seizure-free", "without seizures",
     "pseudoseizure", "denies seizures", "seizure log reviewed", "history of seizure", "seizure 48151623",
     "Szymanska", "szabo", "seizure (-)", "nonseizure", "bckg", "sz med given", "fnszx",
     "seizures since 2010 in A. Lovelace"],
)  # fmt: skip
def test_what_only_sounds_like_a_seizure_is_not(text: str) -> None:
    assert SHIPPED.class_of(text) != "CRITICAL"
    assert SHIPPED.edge_of(text) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [("spsw", "INTERESTING"), ("K-Complex", "INTERESTING"), ("eybl", "ARTIFACT"), ("artf", "ARTIFACT"),
     ("null", "BACKGROUND"), ("BCKG", "BACKGROUND"), ("Eyes open", "IGNORED"), ("what", None), ("", None)],
)  # fmt: skip
def test_other_classes(text: str, label: str | None) -> None:
    assert SHIPPED.class_of(text) == label


OWN = """
schema: blut.annotation_vocabulary.v1
point_s: 2.5
labels: {INTERESTING: [artf, "eye*"], CRITICAL: [anfall]}
pairs: [{starts: [anfang], ends: [ende, schluss], class: CRITICAL}]
"""


def test_a_vocabulary_of_ones_own_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    own = parse_vocabulary(read_vocabulary(tmp_path / "own.yaml"), "own.yaml")
    tals = [Tal(1.0, None, ["Anfall"]), Tal(9.0, None, ["eyes open"]), Tal(20.0, None, ["Anfang"])]
    found = outcome(tmp_path, {}, tals=[*tals, Tal(29.0, None, ["SCHLUSS"])], vocabulary=own)
    assert events(found) == [("CRITICAL", 1.0, 2.5), ("INTERESTING", 9.0, 2.5), ("CRITICAL", 20.0, 9.0)]
    refused(outcome(tmp_path, {}, tals=[Tal(1.0, 2.0, ["seizure"])], vocabulary=own), "edf+", "1 text")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("CRITICAL: [anfall]", "WEIRD: [anfall]", "labels.WEIRD"),
        ("CRITICAL: [anfall]", "CRITICAL: [artf]", "'artf' stands for two classes"),
        ("CRITICAL: [anfall]", "CRITICAL: [null]", "labels.CRITICAL.0"),
        ("CRITICAL: [anfall]", "CRITICAL: anfall", "labels.CRITICAL"),
        ("point_s: 2.5", "point_s: 0", "point_s"),
        ("point_s: 2.5", "point_s: .nan", "point_s"),
        ("point_s: 2.5", "points: 2.5", "points"),
        ("vocabulary.v1", "vocabulary.v9", "schema"),
        ("ends: [ende, schluss]", "ends: [anfang]", "pairs"),
        ("ends: [ende, schluss]", "ends: []", "pairs.0.ends"),
        ("labels:", "labels: [", "cannot be read as YAML"),
        (OWN, "", "file"),
        (OWN, "- a", "file"),
    ],
)
def test_a_broken_vocabulary_is_refused_by_field(old: str, new: str, named: str) -> None:
    with pytest.raises(VocabularyError, match=r"own\.yaml") as error:
        parse_vocabulary(OWN.replace(old, new).encode(), "own.yaml")
    assert named in str(error.value)


def test_a_vocabulary_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"no\.yaml"):
        read_vocabulary(tmp_path / "no.yaml")
    with pytest.raises(VocabularyError, match="directory"):
        read_vocabulary(tmp_path)
    (tmp_path / "big.yaml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(VocabularyError, match="at most"):
        read_vocabulary(tmp_path / "big.yaml")
