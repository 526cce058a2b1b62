"""Recordings come back: every sample and field that is promised, and no word that names a person."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pyedflib
import pytest

from cookbooks.lamquant.formats.edf.recording import open_edf
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from tests.cookbooks.lamquant.codec_command.conftest import Codec, rows
from tests.cookbooks.lamquant.codec_command.recordings import night, written
from tests.cookbooks.lamquant.edf_quirks import QUIRKS
from tests.cookbooks.lamquant.edf_writer import Edf, Sig, eeg, lists, walk

NAMED = (
    "0234567",
    "1951",
    "haagse",
    "harry",
    "jop",
    "2002",
    "02.03.02",
    "23.15",
    "seizure",
    "moved his hand",
)
"""What of the recording can name its patient or its technician, or was written by a person."""


def digital(path: Path) -> list[np.ndarray]:
    with pyedflib.EdfReader(str(path)) as file:
        return [file.readSignal(n, digital=True) for n in range(file.signals_in_file)]


def fields(path: Path) -> list[dict[str, Any]]:
    with pyedflib.EdfReader(str(path)) as file:
        return file.getSignalHeaders()


def samples_of(path: Path) -> np.ndarray:
    read = mne.io.read_raw_edf if path.suffix == ".edf" else mne.io.read_raw_bdf
    return read(path, stim_channel=None, verbose="error").get_data()


def test_lossless_with_identity_is_the_same_file(original: Path, codec: Codec, tmp_path: Path) -> None:
    codec("encode", original, "--max-error", 0, "--identity", "keep", "-o", tmp_path / "a.lqc")
    back = tmp_path / f"back{original.suffix}"
    codec("decode", tmp_path / "a.lqc", "-o", back)
    assert back.read_bytes() == original.read_bytes()
    assert np.array_equal(samples_of(back), samples_of(original))


def test_lossless_without_identity_has_every_sample_and_no_name(
    original: Path, codec: Codec, tmp_path: Path
) -> None:
    codec("encode", original, "--max-error", 0)
    coded = original.with_suffix(".lqc")
    codec("decode", coded, "-o", tmp_path / "out")
    back = tmp_path / "out" / original.name
    if not night_has_gap(original):  # pyedflib reads no recording with gaps
        assert all(np.array_equal(a, b) for a, b in zip(digital(original), digital(back), strict=True))
        assert fields(back) == fields(original)
    assert np.array_equal(samples_of(back), samples_of(original))
    with ChunkReader(coded) as reader:
        said = repr(reader.header).lower()
    written_again = back.read_bytes().lower()
    assert [word for word in NAMED if word in said or word.encode() in written_again] == []
    assert b"x x x x" in written_again and b"01.01.8500.00.00" in written_again
    shown = rows(codec("info", coded, "--json"))[0]
    assert shown["annotations"] == {"CRITICAL": 1, "UNKNOWN": 1, "ARTIFACT": 1}
    assert (shown["identity"], shown["annotation_texts"]) == ("stripped", False)


def night_has_gap(path: Path) -> bool:
    return path.read_bytes()[192:197][4:5] == b"D"


def test_annotations_keep_when_and_how_long(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "night.edf", night())
    for identity, texts in (("strip", ["CRITICAL", "UNKNOWN", "ARTIFACT"]), ("keep", None)):
        codec("encode", path, "--max-error", 0, "--identity", identity, "--force")
        codec("decode", tmp_path / "night.lqc", "-o", tmp_path / "back.edf", "--force")
        with pyedflib.EdfReader(str(tmp_path / "back.edf")) as file:
            onsets, durations, descriptions = file.readAnnotations()
        assert onsets.tolist() == [1.25, 2.75, 6.0]
        assert [max(0, d) for d in durations] == [0.5, 0.0, 2.0]
        assert list(descriptions) == (texts or ["Seizure", "Harry moved his hand", "eye blink"])


@pytest.mark.parametrize("name", [name for name, quirk in QUIRKS.items() if quirk.channels is not None])
def test_files_of_all_kinds_come_back(name: str, codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "quirk.edf", QUIRKS[name].file)
    codec("encode", path, "--max-error", 0, "--identity", "keep", "-o", tmp_path / "a.lqc")
    codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "out")
    back = next((tmp_path / "out").iterdir())
    with open_edf(path) as first, open_edf(back) as second:
        assert (first.channels, first.rate_hz) == (second.channels, second.rate_hz)
        assert np.array_equal(first.scale, second.scale) and np.array_equal(first.offset, second.offset)
        assert [s.onset_s for s in first.segments] == pytest.approx([s.onset_s for s in second.segments])
        for one, other in zip(first.segments, second.segments, strict=True):
            assert np.array_equal(first.read(one), second.read(other))
        assert list(first.annotations()) == list(second.annotations())


def test_the_eeg_meets_its_target_and_all_else_is_exact(
    codec: Codec, checkpoint: Path, tmp_path: Path
) -> None:
    path = written(tmp_path, "night.edf", night())
    made = rows(codec("encode", path, "-m", checkpoint, "--prdn", 25, "--json"))[0]
    exact = rows(codec("encode", path, "--max-error", 0, "-o", tmp_path / "exact.lqc", "--json"))[0]
    assert made["prdn"] < 30 and made["bytes"] < exact["bytes"] - 1000
    proved = rows(codec("verify", tmp_path / "night.lqc", "-m", checkpoint, "--against", path, "--json"))[0]
    errors = {row["channel"]: row for row in proved["channels"]}
    assert [name for name, row in errors.items() if row["promised"] == 0] == ["ECG", "Temp rectal"]
    assert errors["ECG"]["max_error"] == errors["Temp rectal"]["max_error"] == 0
    assert errors["EEG Fp1-Ref"]["max_error"] > 0
    codec("decode", tmp_path / "night.lqc", "-m", checkpoint, "-o", tmp_path / "back.edf")
    assert fields(tmp_path / "back.edf") == fields(path)


def test_what_is_no_eeg_is_exact_in_the_device_profile_too(
    codec: Codec, checkpoint: Path, tmp_path: Path
) -> None:
    path = written(tmp_path, "night.edf", night())
    codec("encode", path, "-m", checkpoint, "--tier", 2, "--profile", "device")
    proved = rows(codec("verify", tmp_path / "night.lqc", "-m", checkpoint, "--against", path, "--json"))[0]
    errors = {row["channel"]: row["max_error"] for row in proved["channels"]}
    assert errors["ECG"] == errors["Temp rectal"] == 0 < errors["EEG Fp1-Ref"]
    said = codec(
        "encode", path, "-m", checkpoint, "--prdn", 25, "--profile", "device", "--force", status=1
    ).stderr
    assert "profile device" in said and "tier" in said


def test_a_bound_holds_for_the_eeg_alone(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "night.bdf", night(3))
    codec("encode", path, "--max-error", 7)
    proved = rows(codec("verify", tmp_path / "night.lqc", "--against", path, "--json"))[0]
    promised = {row["channel"]: (row["promised"], row["max_error"]) for row in proved["channels"]}
    assert promised["EEG C3-Ref"] == (7, 7)
    assert promised["Status"] == promised["ECG"] == (0, 0)


def test_only_the_eeg_if_that_is_asked_for(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "night.edf", night())
    made = rows(codec("encode", path, "--max-error", 0, "--only-eeg", "--json"))[0]
    assert made["left_out"] == [["ECG", "is not EEG"], ["Temp rectal", "is not EEG"]]
    codec("decode", tmp_path / "night.lqc", "-o", tmp_path / "back.edf")
    labels = [row["label"] for row in fields(tmp_path / "back.edf")]
    assert labels == ["EEG Fp1-Ref", "EEG Fp2-Ref", "EEG C3-Ref", "EEG C4-Ref"]


def test_what_repeats_a_name_or_holds_text_stays_behind(codec: Codec, tmp_path: Path) -> None:
    def note(index: int) -> bytes:
        return b"Harry Haagse, room 12, was asleep at 3 o'clock. ".ljust(128)

    signals = [
        eeg("EEG Fp1-Ref", 1, transducer="electrodes of Mr Haagse"),
        eeg("EEG Harry", 2),
        Sig("Note", content=note),
    ]
    path = written(tmp_path, "a.edf", Edf(signals, patient="MCH-0234567 F 02-MAY-1951 Haagse_Harry"))
    made = rows(codec("encode", path, "--max-error", 0, "--json"))[0]
    assert made["left_out"] == [["Note", "holds text, which could name a person"]]
    codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "b.edf")
    back = (tmp_path / "b.edf").read_bytes().lower()
    assert b"harry" not in back and b"haagse" not in back
    assert [row["label"] for row in fields(tmp_path / "b.edf")] == ["EEG Fp1-Ref", "signal 1"]
    codec("encode", path, "--max-error", 0, "--identity", "keep", "--force")
    codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "b.edf", "--force")
    assert (tmp_path / "b.edf").read_bytes() == path.read_bytes()


def test_many_and_long_texts_find_room(codec: Codec, tmp_path: Path) -> None:
    texts = [b"".join(b"+%d.%d\x14seen\x14\0" % (s, k) for k in range(9)) for s in range(6)]
    path = written(tmp_path, "a.edf", Edf([eeg("Fp1", 1), lists(n=60, texts=texts)], reserved="EDF+C"))
    codec("encode", path, "--max-error", 0)  # UNKNOWN is longer than what stood there
    codec("decode", tmp_path / "a.lqc", "-o", tmp_path / "b.edf")
    with pyedflib.EdfReader(str(tmp_path / "b.edf")) as file:
        onsets, _, descriptions = file.readAnnotations()
        assert np.array_equal(file.readSignal(0, digital=True), walk(1).ravel())
    assert sorted(onsets) == pytest.approx([s + k / 10 for s in range(6) for k in range(9)])
    assert set(descriptions) == {"UNKNOWN"}


def test_arrays_and_other_formats(codec: Codec, tmp_path: Path) -> None:
    path = written(tmp_path, "night.edf", night())
    codec("encode", path, "--max-error", 0)
    codec("decode", tmp_path / "night.lqc", "-o", tmp_path / "x.npy")
    x = np.load(tmp_path / "x.npy")
    assert x.dtype == np.int32 and np.array_equal(x, np.stack([digital(path)[n] for n in (0, 1, 3, 5)]))
    codec("decode", tmp_path / "night.lqc", "-o", tmp_path / "x.bdf")
    assert all(np.array_equal(a, b) for a, b in zip(digital(path), digital(tmp_path / "x.bdf"), strict=True))
    wide = night(3)
    narrow = [replace(one, dmin="-32768", dmax="32767") for one in wide.signals]
    codec("encode", written(tmp_path, "wide.bdf", replace(wide, signals=narrow)), "--max-error", 0)
    done = codec("decode", tmp_path / "wide.lqc", "-o", tmp_path / "y.edf", status=1)
    assert "do not fit into 16 bits; write .bdf or .npy" in done.stderr
    assert not (tmp_path / "y.edf").exists()
