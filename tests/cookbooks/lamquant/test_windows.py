"""Training windows: what is in them, what is left out, and what they never touch."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from blut_resources.payload_kit.config import read
from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.formats.corpus import Corpus, Recording
from cookbooks.lamquant.payload import windows_build
from cookbooks.lamquant.signal import filtered, windows
from cookbooks.lamquant.signal.filtered import FilteredRecording, rate_ratio
from cookbooks.lamquant.signal.montage import MissingChannels, electrode, select_channels
from cookbooks.lamquant.signal.split import SplitError
from cookbooks.lamquant.signal.windows import (
    NotUsable,
    WindowError,
    WindowSpec,
    cut_windows,
    open_windows,
    spread,
)
from tests.cookbooks.lamquant.split_corpora import (
    Source,
    build_sample_corpus,
    files_of,
    read_recording,
    run_payload,
    write_corpus,
)

SHIFTED = "trap3__trap3_shifted-channels"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    return build_sample_corpus(tmp_path_factory, request)


@pytest.fixture(scope="module")
def sample_split(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("split") / "split"
    config = {"seed": 0, "val_subjects": ["scp1"], "test_subjects": ["scp2"]}
    status, _, errors = run_payload("split_build", out, config, corpus=sample)
    assert status == 0, errors
    return out


@pytest.fixture(scope="module")
def eeg(sample: Path) -> np.ndarray:
    """Four real channels [4, 25500] at 255 Hz."""
    return read_recording(sample, "blink__blink_block05").digital


def write_split(directory: Path, homes: dict[str, str]) -> Path:
    """A split by hand for a corpus whose stems are its subjects."""
    split = {
        "schema": "blut.split.v1",
        "subjects": homes,
        "recordings": homes,
        "excluded": {},
        "duplicates": [],
    }
    directory.mkdir()
    (directory / "split.json").write_text(json.dumps(split))
    return directory


def build(
    tmp_path: Path, sources: dict[str, Source], homes: dict[str, str], config: dict[str, Any]
) -> dict[str, Any]:
    """Cut the windows of a corpus written here into ``tmp_path / "windows"``; returns the index."""
    corpus = write_corpus(tmp_path / "corpus", sources)
    split = write_split(tmp_path / "split", homes)
    return windows_build.build(Corpus(corpus), split, read(config, WindowSpec), tmp_path / "windows")


def build_again(tmp_path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Once more from the same corpus and split, into ``tmp_path / "again"``."""
    spec = read(config, WindowSpec)
    return windows_build.build(Corpus(tmp_path / "corpus"), tmp_path / "split", spec, tmp_path / "again")


def three(eeg: np.ndarray, **train: Any) -> dict[str, Source]:
    part = {"digital": eeg[:, :5100], "rate_hz": 255.0}
    return {
        "a": Source("a", **{**part, **train}),
        "b": Source("b", eeg[:, 5100:10200], 255.0),
        "c": Source("c", eeg[:, 10200:15300], 255.0),
    }


ABC = {"a": "train", "b": "val", "c": "test"}


def test_windows_are_the_recording_in_microvolts_high_passed_and_the_test_split_stays_sealed(
    sample: Path, sample_split: Path, tmp_path: Path
) -> None:
    sealed = tmp_path / "sealed"
    shutil.copytree(sample, sealed)
    for archive in (sealed / "archives").glob("scp2__*"):
        archive.unlink()
    trees = []
    for name, corpus in (("from all", sample), ("from sealed", sealed)):
        status, facts, errors = run_payload(
            "windows_build", tmp_path / name, {"window_s": 2.0}, corpus=corpus, split=sample_split
        )
        assert status == 0, errors
        trees.append(files_of(tmp_path / name))
    assert trees[0] == trees[1], "the same bytes again, without the test split's archives"
    assert not any("scp2" in name for name in trees[0])
    assert str(tmp_path).encode() not in trees[0]["windows.json"]

    train, val = (open_windows(tmp_path / "from all", split) for split in ("train", "val"))
    assert facts == {
        "n_train": sum(len(array) for _, array in train),
        "n_val": sum(len(array) for _, array in val),
        "window_s": 2.0,
        "highpass_hz": 0.5,
        "max_channels": 4,
    }
    assert {entry["subject"] for entry, _ in val} == {"scp1", "trap3"}
    entry, array = next(pair for pair in train if pair[0]["stem"] == "blink__blink_block05")
    assert array.shape == (50, 4, 510) and array.dtype == np.float32 and isinstance(array, np.memmap)
    assert entry["lsb_uv"] == pytest.approx([1650 / 4095] * 4)
    recording = read_recording(sample, "blink__blink_block05")
    sos = butter(2, 0.5, "highpass", fs=255.0, output="sos")
    expected = sosfiltfilt(sos, recording.microvolts, axis=-1, padlen=510)
    np.testing.assert_array_equal(array[7], expected[:, 7 * 510 : 8 * 510].astype(np.float32))


def test_channels_that_the_split_found_to_be_copies_are_not_in_the_windows(
    sample: Path, sample_split: Path, tmp_path: Path
) -> None:
    out = tmp_path / "windows"
    status, _, errors = run_payload("windows_build", out, {}, corpus=sample, split=sample_split)
    assert status == 0, errors
    entry, array = next(pair for pair in open_windows(out, "val") if pair[0]["stem"] == SHIFTED)
    assert entry["channels"] == ["EEG A1-Cz"] and array.shape[1] == 1


def test_flat_windows_are_dropped_counted_and_leave_a_gap_that_is_recorded(
    tmp_path: Path, eeg: np.ndarray
) -> None:
    broken = eeg[:, :5100].copy()
    broken[:, 510:1530] = broken[:, 510:511]
    index = build(tmp_path, three(eeg, digital=broken), ABC, {})
    (entry,) = (entry for entry in index["recordings"] if entry["split"] == "train")
    assert (entry["n_flat"], entry["n_windows"]) == (2, 8)
    assert np.load(tmp_path / "windows" / entry["file"]).shape == (8, 4, 510)
    assert entry["spans"] == [[0, 1], [3, 7]]


def test_a_recording_with_a_factor_that_is_no_number_is_left_out_with_the_reason(
    tmp_path: Path, eeg: np.ndarray
) -> None:
    sources = {**three(eeg), "d": Source("d", eeg[:, 15300:20400], 255.0, scale=float("nan"))}
    (skipped,) = build(tmp_path, sources, {**ABC, "d": "train"}, {})["skipped"]
    assert skipped == {"stem": "d", "split": "train", "reason": "no window left: 0 flat, 10 not finite"}
    assert sorted(files_of(tmp_path / "windows")) == ["train/a.npy", "val/b.npy"]


def test_a_montage_takes_old_and_new_names_in_its_own_order() -> None:
    recording = ["EEG T7-REF", "EEG FP1-REF", "ECG", "P8"]
    assert select_channels(recording, range(4), ["Fp1", "T3", "T6"]) == (["Fp1", "T3", "T6"], [1, 0, 3])
    assert electrode("eeg p7-le") == "T5" and electrode("C3.") == "C3"
    with pytest.raises(MissingChannels, match=r"\['O1'\] are missing; the recording has"):
        select_channels(recording, range(4), ["T7", "O1"])
    with pytest.raises(MissingChannels, match=r"\['P8'\] are left out as copies"):
        select_channels(recording, [0, 1, 2], ["P8"])


def test_a_recording_without_the_montage_is_left_out_and_none_left_is_an_error(
    tmp_path: Path, eeg: np.ndarray
) -> None:
    names = ["Fp1", "Fp2", "T7", "T8"]
    sources = three(eeg, channels=names)
    sources["b"] = Source("b", eeg[:, 5100:10200], 255.0, names)
    sources["d"] = Source("d", eeg[:, 15300:20400], 255.0)
    homes = {**ABC, "d": "train"}
    index = build(tmp_path, sources, homes, {"channels": ["T3", "Fp1"]})
    assert [entry["channels"] for entry in index["recordings"]] == [["T3", "Fp1"]] * 2
    (skipped,) = index["skipped"]
    assert skipped["stem"] == "d" and "['T3', 'Fp1'] are missing" in skipped["reason"]
    with pytest.raises(WindowError, match=r"no windows for train: a: channels \['Oz'\] are missing"):
        build_again(tmp_path, {"channels": ["Oz"]})


def test_a_recording_shorter_than_a_window_is_left_out_and_none_left_is_an_error(
    tmp_path: Path, eeg: np.ndarray
) -> None:
    sources = {**three(eeg), "d": Source("d", eeg[:, 15300:15700], 255.0)}
    (skipped,) = build(tmp_path, sources, {**ABC, "d": "val"}, {"window_s": 4.0})["skipped"]
    assert skipped["stem"] == "d" and skipped["reason"].startswith("shorter than a window: 1.56")
    again = {"corpus": tmp_path / "corpus", "split": tmp_path / "split"}
    status, _, errors = run_payload("windows_build", tmp_path / "none", {"window_s": 30.0}, **again)
    assert status == 1 and "Traceback" not in errors
    assert files_of(tmp_path / "none") == {}
    assert "no windows for train: a: shorter than a window: 20.0 s of 30.0 s" in errors
    assert "Shorten window_s" in errors


def test_resampling_keeps_microvolts_and_ignores_the_offset(tmp_path: Path) -> None:
    t = np.arange(128 * 40) / 128.0
    tone = np.rint(1000 * np.sin(2 * np.pi * 10 * t))[None]
    sources = {name: Source(name, tone, 128.0, scale=0.05, offset=4000.0) for name in ABC}
    entry = build(tmp_path, sources, ABC, {"rate_hz": 250.0})["recordings"][0]
    array = np.load(tmp_path / "windows" / entry["file"])
    assert (entry["rate_hz"], entry["source_rate_hz"], array.shape) == (250.0, 128.0, (20, 1, 500))
    assert np.abs(array[5:15]).max() == pytest.approx(50.0, rel=0.003)
    assert np.abs(array).max() < 75.0


def test_a_limit_takes_one_block_from_each_recording() -> None:
    blocks = spread([100, 0, 50, 50], 20)
    assert blocks == [range(45, 55), range(0, 0), range(22, 27), range(22, 27)]
    assert spread([3, 4], None) == spread([3, 4], 9) == [range(3), range(4)]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"highpass_hz": 0}, "highpass_hz=0: must be a finite number above 0"),
        ({"window_s": -1}, "window_s=-1: must be a finite number above 0"),
        ({"window_s": "2"}, "window_s='2'"),
        ({"rate_hz": float("inf")}, "rate_hz=inf"),
        ({"max_windows": 1.5}, "max_windows=1.5: must be a whole number"),
        ({"channels": "Cz"}, "channels='Cz': must be a list"),
        ({"channels": []}, "channels=[]: must be a list from 1"),
    ],
)
def test_a_request_out_of_range_is_refused_naming_field_and_range(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused) as refused:
        read(config, WindowSpec)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"highpass_hz": 127.5}, "highpass_hz=127.5: a has 255.0 samples a second"),
        ({"highpass_hz": 30, "rate_hz": 50}, "must be below 25.0 Hz"),
    ],
)
def test_a_highpass_at_nyquist_is_refused_and_nothing_is_written(
    tmp_path: Path, eeg: np.ndarray, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(WindowError) as refused:
        build(tmp_path, three(eeg), ABC, config)
    assert message in str(refused.value)
    assert files_of(tmp_path / "windows") == {}


def test_a_split_of_another_corpus_is_refused(tmp_path: Path, eeg: np.ndarray) -> None:
    with pytest.raises(SplitError, match="recording 'other' is in only one of split and corpus"):
        build(tmp_path, three(eeg), {**ABC, "other": "train"}, {})


def test_only_train_and_val_can_be_opened_and_damage_is_named(tmp_path: Path, eeg: np.ndarray) -> None:
    windows = tmp_path / "windows"
    index = build(tmp_path, three(eeg), ABC, {})
    (windows / "windows.json").write_text(json.dumps(index))
    with pytest.raises(WindowError, match="'test': windows exist for train and val only"):
        open_windows(windows, "test")
    file = windows / "train" / "a.npy"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WindowError, match=r"a\.npy: cannot be mapped"):
        open_windows(windows, "train")
    np.save(file, np.zeros((2, 4, 510), np.float32))
    with pytest.raises(WindowError, match=r"a\.npy: holds float32 \(2, 4, 510\), the index says"):
        open_windows(windows, "train")
    (windows / "windows.json").write_text("{}")
    with pytest.raises(WindowError, match=r"windows\.json: schema is None"):
        open_windows(windows, "train")


def test_rates_without_a_simple_ratio_are_refused_for_that_recording(sample: Path, tmp_path: Path) -> None:
    recording = read_recording(sample, "blink__blink_block05")
    with pytest.raises(NotUsable, match="not a simple ratio of its rate 255"):
        cut_windows(recording, range(4), range(3), WindowSpec(rate_hz=0.0203), tmp_path / "x.npy")
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_is_a_little_off_is_taken_for_the_rate_it_means(tmp_path: Path, eeg: np.ndarray) -> None:
    sources = {name: Source(name, eeg[:, :5100], 199.9992) for name in ABC}
    entry = build(tmp_path, sources, ABC, {"rate_hz": 200.0})["recordings"][0]
    found = {name: entry[name] for name in ("rate_hz", "source_rate_hz", "resampled", "n_windows")}
    assert found == {"rate_hz": 200.0, "source_rate_hz": 199.9992, "resampled": [1, 1], "n_windows": 12}
    assert [rate_ratio(255, 250), rate_ratio(1, 20_001), rate_ratio(20_001, 1)] == [(50, 51), None, None]


def drifting(eeg: np.ndarray) -> Recording:
    """Fifteen minutes of three channels, on an offset of a tenth of a volt that drifts."""
    long = np.tile(eeg[:3], 9) + np.linspace(0, 30_000, 9 * eeg.shape[1]).astype(np.int32)
    return Recording("x", "x", ["a", "b", "c"], 255.0, long, np.full(3, 0.4), np.full(3, 1e5))


@pytest.mark.parametrize("rate_hz", [255.0, 200.0, 300.0, 100 * np.pi])
def test_a_piece_is_filtered_as_if_with_the_whole(eeg: np.ndarray, rate_hz: float) -> None:
    recording = drifting(eeg)
    factors = rate_ratio(255.0, rate_hz)
    assert factors is not None
    signal = FilteredRecording(recording, [2, 0], factors, rate_hz, 0.5)
    whole = [x for _, x in signal.channels(0, signal.n_samples)]
    for start, stop in ((0, 300), (400, 9000), (50_000, 60_000), (signal.n_samples - 99, signal.n_samples)):
        for (digital, part), x in zip(signal.channels(start, stop), whole, strict=True):
            assert np.abs(part - x[start:stop]).max() < 1e-6
            assert len(digital) == pytest.approx((stop - start) * 255 / rate_hz, abs=2)


def test_windows_are_cut_in_pieces_whatever_the_length(
    tmp_path: Path, eeg: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = drifting(eeg)
    recording.digital[1, 50_000:60_000] = 7  # windows of one channel only, so none is left out
    recording.digital[:, 100_000:103_000] = 9
    spec, chosen = WindowSpec(rate_hz=200.0), range(3, 440)
    whole = cut_windows(recording, range(3), chosen, spec, tmp_path / "whole.npy")
    monkeypatch.setattr(windows, "PIECE_VALUES", 10_000)
    monkeypatch.setattr(filtered, "GROUP_VALUES", 40_000)
    read: list[int] = []
    honest = Recording.read

    def watched(self: Recording, start: int, stop: int, rows: Any) -> np.ndarray:
        read.append(len(rows) * (stop - start))
        return honest(self, start, stop, rows)

    monkeypatch.setattr(Recording, "read", watched)
    assert cut_windows(recording, range(3), chosen, spec, tmp_path / "pieces.npy") == whole
    assert whole.n_flat == 4 and whole.n_windows == 433
    assert len(read) > 50 and max(read) < 150_000 < recording.digital.size
    a, b = (np.load(tmp_path / f"{name}.npy") for name in ("whole", "pieces"))
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
