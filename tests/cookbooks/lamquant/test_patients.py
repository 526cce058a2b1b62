"""One patient is one patient, however the name is spelled, and is on one side of the split alone."""

import hashlib
import json
import unicodedata
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from cookbooks.lamquant.codec.v1.bitstream import CODER_JOINT, Bitstream, ChannelHeader, pack
from cookbooks.lamquant.formats.corpus import SCHEMA as CORPUS_SCHEMA
from cookbooks.lamquant.gate import checks
from cookbooks.lamquant.gate.split import JudgedSplit
from cookbooks.lamquant.recipes.joint_codec import JOINT_CODEC
from cookbooks.lamquant.signal.duplicates import Duplicates, SharedContent
from cookbooks.lamquant.signal.split import MANIFEST, SplitError, SplitPolicy, build_split, read_split
from cookbooks.lamquant.subjects.names import patient_key

SPELLINGS = [
    ("anna", "ANNA"),
    ("chb01", "CHB01"),
    (unicodedata.normalize("NFC", "zoë"), unicodedata.normalize("NFD", "ZOË")),
    ("strasse", "STRAßE"),
    ("anna", "anna "),
    ("anna", "\tanna"),
    ("anna", "ａｎｎａ"),  # noqa: RUF001
    ("anna b", "anna  b"),
    ("anna", "an\u200bna"),
    ("fin", "ﬁn"),
]


def corpus_of(*subjects: str) -> dict[str, Any]:
    """One recording ``r<number>`` a subject."""
    entries = [{"stem": f"r{i}", "subject": name, "channels": ["a"]} for i, name in enumerate(subjects)]
    return {"schema": CORPUS_SCHEMA, "recordings": entries}


def split_of(corpus: dict[str, Any], *findings: SharedContent, **policy: Any) -> dict[str, Any]:
    return build_split(corpus, Duplicates(tuple(findings), (), {}), SplitPolicy(**policy))


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_two_spellings_of_a_name_are_one_patient_in_every_split(one, other):
    assert one != other and patient_key(one) == patient_key(other)
    corpus = corpus_of(one, other, "b", "c", "d", "e")
    for seed in range(12):
        split = split_of(corpus, seed=seed, val_fraction=0.3, test_fraction=0.3)
        assert split["people"]["r0"] == split["people"]["r1"]
        assert split["recordings"]["r0"] == split["recordings"]["r1"]


@pytest.mark.parametrize("names", [("anna", "anne"), ("chb01", "chb10"), ("chb1", "chb01"), ("", " ")])
def test_other_names_are_other_patients(names):
    assert patient_key(names[0]) != patient_key(names[1])


def test_a_patient_named_in_another_spelling_is_found_and_takes_all_recordings():
    split = split_of(corpus_of("ANNA", "anna", "b", "c"), named={"test": ("Anna",)}, val_fraction=0.3)
    assert [stem for stem, home in split["recordings"].items() if home == "test"] == ["r0", "r1"]


def test_a_patient_named_for_two_splits_in_two_spellings_is_refused():
    told = r"subject 'ANNA' is in train_subjects as 'anna' and in test_subjects"
    with pytest.raises(SplitError, match=told.replace("'ANNA'", "'anna'").replace("as 'anna'", "as 'ANNA'")):
        SplitPolicy(named={"train": ("ANNA",), "test": ("anna",)})
    with pytest.raises(SplitError, match=told):
        SplitPolicy(named={"train": ("anna",), "test": ("ANNA",)})


def test_lists_that_part_a_patient_through_shared_content_say_how():
    found = [
        SharedContent("trial", pair, {"n_runs": 1, "seconds": 2.0, "runs": []})
        for pair in (("r0", "r1"), ("r2", "r3"))
    ]
    with pytest.raises(SplitError) as refused:
        corpus = corpus_of("a", "anna", "ANNA", "b")
        split_of(corpus, *found, named={"train": ("a",), "test": ("b",)}, val_fraction=0.3)
    assert "r1 and r2 share spellings of one name: 'ANNA', 'anna'" in str(refused.value)
    assert "r2 and r3 share content" in str(refused.value)


# what was changed by hand, or made by another program


def manifest(subjects: dict[str, str], recordings: dict[str, str], **more: Any) -> dict[str, Any]:
    document = {"schema": "blut.split.v1", "subjects": subjects, "recordings": recordings}
    return {**document, "excluded": {}, "duplicates": [], **more}


def test_a_split_that_parts_two_spellings_is_refused_by_the_codec_and_by_the_verdict(tmp_path):
    corpus = corpus_of("anna", "ANNA", "c")
    subjects = {"anna": "train", "ANNA": "test", "c": "val"}
    recordings = {"r0": "train", "r1": "test", "r2": "val"}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest(subjects, recordings)))
    with pytest.raises(SplitError, match=r"one patient is in two splits: \['r0', 'r1'\]"):
        read_split(tmp_path, corpus)
    assert checks.disjoint_patients(corpus, JudgedSplit(subjects, recordings, frozenset())) == [
        "ANNA is in test, anna, the same patient, in train",
        "r1 (test) and r0 (train) are of one patient: spellings of one name: 'ANNA', 'anna', subject 'anna'",
    ]


def test_content_shared_by_exactly_two_splits_is_refused(tmp_path):
    corpus = corpus_of("a", "b", "c")
    subjects = {"a": "train", "b": "test", "c": "val"}
    recordings = {"r0": "train", "r1": "test", "r2": "val"}
    twice = [{"kind": "trial", "members": ["r0", "r1"]}]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest(subjects, recordings, duplicates=twice)))
    with pytest.raises(SplitError, match="duplicated content in two splits"):
        read_split(tmp_path, corpus)


def seen(tmp_path: Path, trained: dict[str, str], corpus: dict[str, Any], split: JudgedSplit) -> list[str]:
    """What speaks against a candidate that was trained on recordings of these subjects."""
    entries = [{"stem": stem, "subject": subject} for stem, subject in trained.items()]
    data = json.dumps({"recordings": entries}).encode()
    (tmp_path / checks.WINDOWS_INDEX).write_bytes(data)
    description = {"windows_sha256": hashlib.sha256(data).hexdigest()}
    (tmp_path / checks.DESCRIPTION).write_text(json.dumps(description))
    return checks.seen_in_training(tmp_path, tmp_path, corpus, split)


def test_a_test_patient_seen_in_training_by_another_recording_is_found(tmp_path):
    corpus = corpus_of("anna", "anna", "ANNA", "c")
    split = JudgedSplit(
        {"anna": "test", "ANNA": "test", "c": "train"}, {"r0": "test", "r3": "train"}, frozenset()
    )
    assert seen(tmp_path, {"r3": "c"}, corpus, split) == []
    # r1 and r2 lie in no split: only the patient tells
    for stem, name in (("r1", "anna"), ("r2", "ANNA")):
        assert seen(tmp_path, {stem: name, "r3": "c"}, corpus, split) == [
            f"{stem} of {name} was trained on and is in the test split"
        ]
    # and where the split knows one spelling only
    split = JudgedSplit({"anna": "test", "c": "train"}, {"r0": "test", "r3": "train"}, frozenset())
    assert seen(tmp_path, {"r2": "ANNA"}, corpus, split) != []


def test_a_bitstream_of_another_rate_is_not_that_of_the_recording(tmp_path):
    path = tmp_path / "r0.lqc"
    channels, words = [ChannelHeader(5, 5)], np.zeros(0, np.uint32)
    path.write_bytes(pack(Bitstream(CODER_JOINT, bytes(8), 256.0, 100, channels, words)))
    assert checks.not_a_bitstream(path, bytes(8), (1, 100), 256.0) is None
    told = checks.not_a_bitstream(path, bytes(8), (1, 100), 255.0)
    assert told == "r0.lqc holds (1, 100) at 256.0 Hz, the original (1, 100) at 255.0 Hz"


# the split's seed


def test_the_split_follows_its_own_seed_and_not_that_of_the_training():
    def config(asset: str, **args: Any) -> Any:
        return JOINT_CODEC.configs(JOINT_CODEC.parse({"edf_root": "x", **args}))[
            dg.AssetKey(["lamquant", asset])
        ]

    assert config("split_manifest") == config("split_manifest", seed=7)
    assert config("split_manifest", split_seed=7).seed == 7 == config("joint_checkpoint", seed=7).seed
