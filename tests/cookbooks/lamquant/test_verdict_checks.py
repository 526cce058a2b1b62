"""What must hold before a figure is believed, each check by itself on files made by hand."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from blut_resources.files.digest import digest_path
from cookbooks.lamquant.codec.v1.bitstream import (
    CODER_DCT,
    CODER_JOINT,
    Bitstream,
    ChannelHeader,
    pack,
)
from cookbooks.lamquant.gate.checks import (
    disjoint_patients,
    not_a_bitstream,
    seen_in_training,
    shared_content,
    unchanged,
)
from cookbooks.lamquant.gate.split import JudgedSplit
from cookbooks.lamquant.lqc.container.header import FileHeader
from cookbooks.lamquant.lqc.plan import ROWS
from tests.cookbooks.lamquant.lqc.files import exact, lapped, payload, written

PATIENTS = {"a": "anna", "b": "bert", "c": "carl"}
HOMES = {"anna": "train", "bert": "val", "carl": "test"}


def corpus(subjects: dict[str, str] = PATIENTS) -> dict[str, Any]:
    return {"recordings": [{"stem": stem, "subject": subject} for stem, subject in subjects.items()]}


def split(subjects: dict[str, str] = HOMES, excluded: str = "", **recordings: str) -> JudgedSplit:
    homes = {"a": "train", "b": "val", "c": "test", **recordings}
    used = {stem: home for stem, home in homes.items() if stem not in excluded}
    return JudgedSplit(subjects, used, frozenset(excluded))


def trained_on(root: Path, subjects: dict[str, str], said: str | None = None) -> dict[str, Path]:
    """A candidate and windows of these recordings; ``said`` is the digest that the candidate names."""
    root.mkdir()
    data = json.dumps(corpus(subjects)).encode()
    (root / "windows.json").write_bytes(data)
    digest = said or hashlib.sha256(data).hexdigest()
    (root / "model.json").write_text(json.dumps({"windows_sha256": digest}))
    return {"candidate": root, "windows": root}


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ({}, None),
        ({"rate_hz": 250.0}, "holds (2, 100) at 250.0 Hz, the original (2, 100) at 256 Hz"),
        ({"n_samples": 99}, "holds (2, 99) at 256"),
        ({"coder": CODER_DCT}, "was not written by this candidate"),
        ({"digest": b"another."}, "was not written by this candidate"),
    ],
)
def test_a_bitstream_is_of_this_candidate_and_of_the_originals_shape_and_rate(
    tmp_path: Path, stream: dict[str, Any], told: str | None
) -> None:
    fields: dict[str, Any] = {"coder": CODER_JOINT, "digest": b"8 bytes.", "rate_hz": 256.0, "n_samples": 100}
    channels = [ChannelHeader(0, 0), ChannelHeader(5, 5)]
    path = tmp_path / "a.lqc"
    path.write_bytes(pack(Bitstream(channels=channels, words=np.zeros(0, np.uint32), **fields | stream)))
    found = not_a_bitstream(path, b"8 bytes.", (2, 100), 256)
    assert found == told or (told and found and told in found)


def flipped(data: bytes) -> bytes:
    """A file one bit of whose first chunk is another."""
    at = data.index(payload(0, 0)) + 9
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def two_groups(rows: Any, digest: bytes = b"8 bytes.", rate_hz: float = 256, n_samples: int = 900) -> bytes:
    """A file of today's version with a channel in either of two groups, told to be these ``rows``."""
    groups = (replace(lapped(n_samples), digest=digest), exact(n_samples, 1, rate_hz))
    return written(FileHeader(groups, facts={ROWS: rows}))


APART = [[0, [0]], [0, [1]]]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (two_groups(APART), None),
        (two_groups(APART, digest=b"another."), "was not written by this candidate"),
        (two_groups(APART, n_samples=899), "holds (2, 899) at 256"),
        (two_groups(APART, rate_hz=512), "its groups do not make one signal"),
        (two_groups([[0, [0]], [0, [0]]]), "its groups do not make one signal"),
        (two_groups([[0, [0]], [0, [9]]]), "its groups do not make one signal"),
        (two_groups([[0, [0]], [1, [0]]]), "it holds several signals"),
        (two_groups([[0, [0]], [0, [1, 2]]]), "does not fit the groups"),
        (flipped(two_groups(APART)), "its checksum does not match"),
        (two_groups(APART)[:-60], "is not a bitstream"),
    ],
)
def test_a_bitstream_of_chunks_is_one_recording_and_whole(
    tmp_path: Path, data: bytes, told: str | None
) -> None:
    path = tmp_path / "a.lqc"
    path.write_bytes(data)
    found = not_a_bitstream(path, b"8 bytes.", (2, 900), 256)
    assert found == told or (told and found and told in found)


def test_a_patient_who_is_sealed_was_not_trained_on_under_any_spelling_or_name(tmp_path: Path) -> None:
    train = trained_on(tmp_path / "1", {"a": "anna", "b": "bert"})
    assert seen_in_training(**train, corpus=corpus(), split=split()) == []
    leaked = ["c of carl was trained on and is in the test split"]
    test = trained_on(tmp_path / "2", {"c": "carl"})
    assert seen_in_training(**test, corpus=corpus(), split=split()) == leaked
    other = {**PATIENTS, "d": "CARL "}  # left out of the split since, but the same patient
    spelled = trained_on(tmp_path / "3", {"a": "anna", "d": "CARL "})
    found = seen_in_training(**spelled, corpus=corpus(other), split=split(excluded="d"))
    assert found == ["d of CARL  was trained on and is in the test split"]


def test_what_was_trained_on_is_known_and_is_what_was_given(tmp_path: Path) -> None:
    away = trained_on(tmp_path / "1", {"z": "zoe"})
    assert seen_in_training(**away, corpus=corpus(), split=split()) == [
        "z of zoe was trained on but is not in the corpus"
    ]
    other = trained_on(tmp_path / "2", {"a": "anna"}, said="0" * 64)
    assert "trained on other windows" in seen_in_training(**other, corpus=corpus(), split=split())[0]
    nothing = trained_on(tmp_path / "3", {})
    assert seen_in_training(**nothing, corpus=corpus(), split=split()) == ["the windows list no recording"]
    (tmp_path / "3" / "model.json").unlink()
    assert "cannot be read" in seen_in_training(**nothing, corpus=corpus(), split=split())[0]


def test_every_recording_is_in_the_split_of_its_patient() -> None:
    assert disjoint_patients(corpus(), split()) == []
    assert disjoint_patients(corpus(), split(c="val")) == ["c is in val, its patient carl in test"]
    assert disjoint_patients(corpus(), split(z="test")) == ["z is in the split but not in the corpus"]
    assert disjoint_patients(corpus({**PATIENTS, "d": "anna"}), split()) == [
        "d is in the corpus but has no split"
    ]
    twice = {**HOMES, "ANNA": "test"}
    assert disjoint_patients(corpus(), split(twice)) == ["ANNA is in test, anna, the same patient, in train"]


def test_a_copy_in_another_split_is_found_in_the_samples() -> None:
    noise = np.random.default_rng(5).integers(-500, 500, (4, 2, 4000)).astype(np.int32)
    signals = dict(zip("abcd", noise, strict=True))
    signals["d"] = signals["a"]

    def load(stem: str) -> Any:
        kept = signals[stem]
        return SimpleNamespace(
            n_samples=4000,
            rate_hz=256.0,
            channels=["C3", "C4"],
            scale=np.ones(2),
            read=lambda start, stop: kept[:, start:stop],
        )

    assert shared_content(split(d="train"), load) == []
    assert shared_content(split(d="test"), load) == ["d (test) and a (train) share content: recording"]


def test_an_input_is_what_it_was_named_by(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    digest = digest_path(tmp_path / "a")
    assert unchanged({"a": tmp_path / "a"}, {"a": digest}) == ({"a": digest}, [])
    assert unchanged({"a": tmp_path / "a"}, {"a": None})[1] == []
    told = unchanged({"a": tmp_path / "a"}, {"a": "0" * 64})[1]
    assert told == [f"a has digest {digest}, not {'0' * 64}: it was changed or replaced"]
