"""Copies that were changed on the way are found, and recordings that only resemble each other are not."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import signal as filters

from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.samples.synthetic_model import TEN_TWENTY, draw_traits, simulate
from cookbooks.lamquant.signal.duplicates import find_duplicates
from cookbooks.lamquant.signal.findings import SharedContent
from cookbooks.lamquant.signal.split import read_split
from tests.cookbooks.lamquant.split_corpora import InMemory, Source, run_payload, write_corpus

RATE = 256.0
NAMES = list(TEN_TWENTY[:19])
Change = Callable[[np.ndarray], np.ndarray]


@cache
def eeg(subject: int, run: int, seconds: int = 60, rate_hz: float = RATE) -> np.ndarray:
    """Synthetic EEG in digital units of a tenth of a microvolt, [19, samples], not rounded."""
    key = (0, subject, run)
    microvolts = simulate(draw_traits(0, subject), key, round(seconds * rate_hz), round(rate_hz))
    return 10 * microvolts[: len(NAMES)]


def whole(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples).astype(np.int32)


def found(recordings: dict[str, InMemory]) -> list[SharedContent]:
    """Findings between recordings; a generated one may well repeat a channel."""
    findings = find_duplicates(recordings, recordings.__getitem__).findings
    return [finding for finding in findings if len(finding.members) > 1]


def beside(changed: InMemory, original: np.ndarray | None = None) -> list[SharedContent]:
    """What is found of a copy beside its original, another night of that patient, and someone else."""
    first = whole(eeg(3, 1)) if original is None else original
    return found(
        {
            "original": InMemory(first, RATE, NAMES[: len(first)]),
            "copy": changed,
            "second night": InMemory(whole(eeg(3, 2)), RATE, NAMES),
            "stranger": InMemory(whole(eeg(5, 1)), RATE, NAMES),
        }
    )


def high_pass(hz: float, *, causal: bool = False) -> Change:
    sos = filters.butter(2, hz, "high", fs=RATE, output="sos")
    return lambda x: np.asarray(filters.sosfilt(sos, x - x[:, :1]) if causal else filters.sosfiltfilt(sos, x))


def clipped(x: np.ndarray) -> np.ndarray:
    limit = 1.5 * x.std(axis=1, keepdims=True)
    return np.clip(x, -limit, limit)


def resampled(x: np.ndarray, rate_hz: float) -> np.ndarray:
    ratio = Fraction(rate_hz / RATE).limit_denominator(1000)
    return filters.resample_poly(x, ratio.numerator, ratio.denominator, axis=1)


CHANGES: dict[str, Change] = {
    "gain": lambda x: 1.37 * x,
    "small gain": lambda x: -0.31 * x + 40,
    "high-pass 0.5 Hz": high_pass(0.5),
    "high-pass 1 Hz": high_pass(1.0),
    "high-pass 1 Hz, one way": high_pass(1.0, causal=True),
    "low-pass 30 Hz": lambda x: filters.sosfiltfilt(filters.butter(4, 30, fs=RATE, output="sos"), x),
    "notch 50 Hz": lambda x: filters.filtfilt(*filters.iirnotch(50, 30, fs=RATE), x),
    "average reference": lambda x: x - x.mean(axis=0),
    "another electrode": lambda x: x - 0.999 * x[9],
    "linked electrodes": lambda x: x - (x[12] + x[13]) / 2.003,
    "noise of one digit": lambda x: x + np.random.default_rng(1).integers(-1, 2, x.shape),
    "clipped": lambda x: clipped(x),
    "shifted and cropped": lambda x: 0.9 * x[:, 5003:-2000],
    "ten seconds": lambda x: 1.1 * x[:, 5003:7563],
    "permuted": lambda x: 1.1 * x[np.random.default_rng(2).permutation(len(x))],
    "three channels": lambda x: 1.1 * x[[11, 2, 7]],
    "one channel": lambda x: 1.1 * x[[4]],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_is_found(name: str) -> None:
    samples = whole(CHANGES[name](whole(eeg(3, 1)).astype(float)))
    names = NAMES if len(samples) == len(NAMES) and name != "permuted" else None
    findings = beside(InMemory(samples, RATE, names))
    assert {tuple(sorted(finding.members)) for finding in findings} == {("copy", "original")}
    (finding,) = (finding for finding in findings if finding.kind == "near_recording")
    assert finding.detail["correlation"] > 0.9


@pytest.mark.parametrize("rate_hz", [100, 128, 200, 250, 199.9992, 500, 512])
def test_a_resampled_copy_is_found_and_the_rates_are_named(rate_hz: float) -> None:
    samples = whole(resampled(eeg(3, 1), round(rate_hz)))
    (finding,) = beside(InMemory(samples, rate_hz, NAMES))
    assert (finding.kind, finding.members) == ("near_recording", ("copy", "original"))
    assert finding.detail["rates_hz"] == [rate_hz, RATE]
    assert finding.detail["coverage"] > 0.95


def test_a_bipolar_montage_is_found_under_names_that_say_nothing() -> None:
    pairs = [("F7", "T3"), ("T3", "T5"), ("C3", "P3"), ("P4", "O2"), ("F4", "C4")]
    rows = [eeg(3, 1)[NAMES.index(one)] - eeg(3, 1)[NAMES.index(other)] for one, other in pairs]
    (finding,) = beside(InMemory(whole(1.2 * np.stack(rows)), RATE))
    assert (finding.kind, sorted(finding.members)) == ("near_recording", ["copy", "original"])
    assert sorted(finding.detail["waves"]) == ["channel", "difference of two channels"]


PAIRS = {
    "average reference, resampled": lambda x: resampled(x - x.mean(axis=0), 200),
    "high-pass, resampled": lambda x: resampled(high_pass(0.5)(x), 200),
    "gain, ten seconds, resampled": lambda x: resampled(0.7 * x[:, 2000:4560], 200),
    "two channels, high-pass, resampled": lambda x: resampled(high_pass(1.0)(x[[3, 8]]), 200),
    "average reference of fewer, resampled": lambda x: resampled((x - x.mean(axis=0))[:12], 200),
    "clipped, resampled": lambda x: resampled(clipped(x), 200),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_copy_that_was_changed_twice_is_found(name: str) -> None:
    samples = whole(PAIRS[name](eeg(3, 1)))
    (finding,) = beside(InMemory(samples, 200.0))
    assert sorted(finding.members) == ["copy", "original"] and finding.kind.startswith("near_")


def test_what_is_known_of_the_change_is_told() -> None:
    samples = whole(-0.5 * eeg(3, 1)[:, 2560:])
    (finding,) = beside(InMemory(samples, RATE, NAMES, scale=0.3))
    assert finding.members == ("copy", "original")
    assert finding.detail["gain"] == pytest.approx(-2 / 3, abs=0.01)
    assert finding.detail["lag_s"] == pytest.approx(10.0, abs=0.002)
    assert finding.detail["waves"] == ["channel", "channel"]
    assert "a changed copy of 5" in finding.in_words()


def test_a_filtered_trial_inside_another_recording_joins_the_two() -> None:
    mixed = eeg(7, 1).copy()
    mixed[:, 3000:6000] = high_pass(0.5)(eeg(3, 1))[:, 8000:11_000]
    (finding,) = beside(InMemory(whole(mixed), RATE, NAMES))
    assert (finding.kind, finding.members) == ("near_trial", ("copy", "original"))
    assert 9 < finding.detail["seconds"] < 13


def test_trials_of_five_seconds_are_found_in_another_order_and_at_another_rate() -> None:
    trials = resampled(high_pass(0.5)(eeg(3, 1)), 200).reshape(len(NAMES), 12, 1000)
    shuffled = trials[:, np.random.default_rng(4).permutation(12)].reshape(len(NAMES), -1)
    (finding,) = beside(InMemory(whole(shuffled), 200.0))
    assert (finding.kind, finding.members) == ("near_trial", ("copy", "original"))


def test_copies_are_joined_and_all_of_them_are_kept_and_each_is_told_once() -> None:
    gains = np.random.default_rng(6).uniform(1.05, 1.9, 40)
    recordings = {f"s{n:02d}": InMemory(whole(gain * eeg(3, 1)[:2]), RATE) for n, gain in enumerate(gains)}
    result = find_duplicates(recordings, recordings.__getitem__)
    assert result.copies == ()
    near = [finding for finding in result.findings if finding.kind.startswith("near_")]
    assert {finding.kind for finding in near} == {"near_recording"} and len(near) < len(recordings)
    joined = {"s00"}
    for _ in recordings:
        joined |= {name for f in result.findings if joined & set(f.members) for name in f.members}
    assert joined == set(recordings)


# ---- what only looks alike


def alike(name: str, subject: int, rng: np.random.Generator) -> np.ndarray:
    """Recordings of different people that share something which is not EEG, [4, samples]."""
    time = np.arange(60 * 256) / RATE
    x = eeg(subject, 1)[:4].copy()
    beats = np.cumsum(rng.normal(0.85, 0.04, 80))
    return {
        "mains": x + 3000 * np.sin(2 * np.pi * 50 * time),
        "alpha": 0.1 * x + 500 * np.sin(2 * np.pi * 10 * time + rng.uniform(0, 6)),
        "calibration": np.concatenate(
            [np.tile(500 * np.sign(np.sin(2 * np.pi * time[:5120])), (4, 1)), x], 1
        ),
        "steps": 2000 * np.sign(np.sin(2 * np.pi * 2 * time)) + rng.integers(-2, 3, x.shape),
        "flat": np.where(time < 30, 0, x),
        "saturated": np.clip(40 * x, -2048, 2047),
        "heart": 0.2 * x + 800 * np.exp(-(((time[:, None] - beats) / 0.02) ** 2)).sum(axis=1),
        "quiet": rng.integers(-1, 2, x.shape),
        "clock": x + 300 * (np.floor(time) % 2),
    }[name]


@pytest.mark.parametrize(
    "name", ["mains", "alpha", "calibration", "steps", "flat", "saturated", "heart", "quiet", "clock"]
)
def test_what_two_recordings_have_in_common_by_their_making_joins_nobody(name: str) -> None:
    rng = np.random.default_rng(1)
    recordings = {f"s{n}": InMemory(whole(alike(name, n, rng)), RATE) for n in (5, 8, 9, 10)}
    assert found(recordings) == []


def test_nights_of_one_patient_and_patients_of_one_device_share_nothing() -> None:
    recordings = {
        f"s{subject}n{run}": InMemory(whole(eeg(subject, run)), RATE, NAMES)
        for subject in (3, 5, 7, 8)
        for run in (1, 2, 3)
    }
    assert found(recordings) == []


# ---- the payload


@pytest.mark.heavy
def test_patients_who_share_a_changed_copy_go_one_way_and_both_recordings_are_used(tmp_path: Path) -> None:
    sources = {f"r{n}": Source(f"p{n}", whole(eeg(n, 1)), RATE) for n in (3, 5, 7, 8)}
    sources["again"] = Source("somebody", whole(resampled(eeg(3, 1), 200)), 200.0)
    corpus = write_corpus(tmp_path / "corpus", sources)
    status, _, errors = run_payload("split_build", tmp_path / "split", {"seed": 4}, corpus=corpus)
    assert status == 0, errors
    split = read_split(tmp_path / "split", read_corpus(corpus))
    (finding,) = (found for found in split["duplicates"] if len(found["members"]) > 1)
    assert (finding["kind"], finding["members"]) == ("near_recording", ["again", "r3"])
    assert split["recordings"]["again"] == split["recordings"]["r3"]
    assert split["excluded"] == {}
    refused = {"train_subjects": ["p3"], "test_subjects": ["somebody"]}
    status, _, errors = run_payload("split_build", tmp_path / "refused", refused, corpus=corpus)
    assert status == 1 and "a changed copy of" in errors
