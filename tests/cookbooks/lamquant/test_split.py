"""Splits: no subject and no stretch of signal in two of them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blut_resources.payload_kit.config import read
from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.payload.split_build import SplitSettings
from cookbooks.lamquant.signal.duplicates import Duplicates, find_duplicates
from cookbooks.lamquant.signal.findings import SharedContent
from cookbooks.lamquant.signal.split import SPLITS, SplitError, SplitPolicy, build_split, read_split
from tests.cookbooks.lamquant.split_corpora import (
    InMemory,
    Source,
    build_sample_corpus,
    real_signals,
    run_payload,
    write_corpus,
)

SCP1_TRAIN, SCP1_TEST = "scp1__scp1_bci2-train", "scp1__scp1_bci2-test"
SHIFTED = "trap3__trap3_shifted-channels"
BLOCK9, BLOCK18 = "trap1a__trap1a_block09", "trap1b__trap1b_block18"
RATE = 256.0


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    return build_sample_corpus(tmp_path_factory, request)


@pytest.fixture(scope="module")
def signals(sample: Path) -> dict[str, np.ndarray]:
    return real_signals(sample)


def search(recordings: dict[str, np.ndarray], rate_hz: float = RATE) -> Duplicates:
    return find_duplicates(recordings, lambda stem: InMemory(recordings[stem], rate_hz))


def split_of(
    subjects: list[str], findings: list[SharedContent] | None = None, **policy: Any
) -> dict[str, Any]:
    """A split of a corpus with one recording, ``<subject>_1``, for each subject."""
    entries = [{"stem": f"{subject}_1", "subject": subject, "channels": ["a"]} for subject in subjects]
    found = Duplicates(tuple(findings or ()), (), {})
    return build_split({"recordings": entries}, found, SplitPolicy(**policy))


def shared(a: str, b: str) -> SharedContent:
    return SharedContent("trial", (f"{a}_1", f"{b}_1"), {"n_runs": 1, "seconds": 2.0, "runs": []})


# ---- what is found in real recordings


def test_sound_recordings_of_the_sample_share_nothing(signals: dict[str, np.ndarray]) -> None:
    sound = {stem: digital for stem, digital in signals.items() if not stem.startswith("trap")}
    assert len(sound) == 12
    assert search(sound).findings == ()


def test_the_same_recording_under_two_subjects_goes_one_way_and_is_kept_once(
    sample: Path, tmp_path: Path
) -> None:
    config = {"seed": 3, "val_fraction": 0.2, "test_fraction": 0.2, "test_subjects": ["scp2"]}
    status, facts, errors = run_payload("split_build", tmp_path / "split", config, corpus=sample)
    assert status == 0, errors
    split = read_split(tmp_path / "split", read_corpus(sample))
    assert split["people"][BLOCK9] == split["people"][BLOCK18]
    assert split["excluded"][BLOCK18] == f"same samples as {BLOCK9}, which is kept"
    assert BLOCK18 not in split["recordings"] and BLOCK9 in split["recordings"]
    assert facts["n_excluded"] == 2
    assert facts["n_test_subjects"] == 1
    assert facts["n_duplicate_groups"] == len(split["duplicates"]) == 8


def test_a_channel_that_is_another_one_shifted_is_reported_with_its_lag_and_left_out(
    signals: dict[str, np.ndarray],
) -> None:
    found = search({SHIFTED: signals[SHIFTED]})
    lags = [finding.detail["lag_samples"] for finding in found.findings]
    assert lags == [-6, -12, -18, -24, -30]
    assert {finding.detail["source"] for finding in found.findings} == {"c0"}
    assert found.kept_channels == {SHIFTED: [0]}


def test_a_shifted_copy_of_a_channel_in_another_recording_joins_the_two(
    signals: dict[str, np.ndarray],
) -> None:
    blink = signals["blink__blink_block05"]
    other = signals["blink__blink_block08"].copy()
    other[2, 100:] = blink[1, :-100]
    found = search({"a": blink, "b": other}, 255.0)
    (finding,) = found.findings
    assert (finding.kind, finding.members) == ("lagged_channel", ("a", "b"))
    assert finding.detail["runs"][0]["channels"] == [["c1", "c2"]]


def test_fifty_shared_trials_are_found_in_any_order_and_their_subjects_stay_together(
    signals: dict[str, np.ndarray], tmp_path: Path
) -> None:
    trials = signals[BLOCK9].reshape(4, 50, 510)
    shuffled = trials[:, np.random.default_rng(1).permutation(50)].reshape(4, -1)
    ours = np.concatenate([signals["blink__blink_block12"], signals[BLOCK9]], axis=1)
    theirs = np.concatenate([shuffled, signals["blink__blink_block14"]], axis=1)
    sources = {
        "ours": Source("a", ours, 255.0),
        "theirs": Source("b", theirs, 255.0),
        "third": Source("c", signals["blink__blink_block05"], 255.0),
        "fourth": Source("d", signals["blink__blink_block08"], 255.0),
    }
    corpus = write_corpus(tmp_path / "corpus", sources)
    status, _, errors = run_payload("split_build", tmp_path / "split", {}, corpus=corpus)
    assert status == 0, errors
    split = read_split(tmp_path / "split", read_corpus(corpus))
    (finding,) = split["duplicates"]
    assert (finding["kind"], finding["members"]) == ("trial", ["ours", "theirs"])
    assert 99.0 < finding["seconds"] <= 100.0
    assert split["people"]["ours"] == split["people"]["theirs"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=st.integers(0, 60_000),
    target=st.integers(0, 60_000),
    length=st.integers(257, 2000),
    gain=st.sampled_from([1, 1, -1]),
    offset=st.integers(-5000, 5000),
)
def test_a_second_of_shared_signal_is_found_wherever_it_lies(
    signals: dict[str, np.ndarray], source: int, target: int, length: int, gain: int, offset: int
) -> None:
    a, b = signals[SCP1_TRAIN][:, :64_000], signals[SCP1_TEST][:, :64_000].copy()
    b[0, target : target + length] = gain * a[0, source : source + length] + offset
    (finding,) = search({"a": a, "b": b}).findings
    assert finding.kind == "trial"
    run = max(finding.detail["runs"], key=lambda run: run["samples"])
    assert run["start"][0] <= source and run["samples"] >= length
    assert run["start"][1] - run["start"][0] == target - source


def test_a_copy_with_another_gain_and_dropped_ends_is_the_same_recording(
    signals: dict[str, np.ndarray],
) -> None:
    a = signals[SCP1_TRAIN]
    (finding,) = search({"a": a, "b": -16 * a[:, 1000:-3000] + 77}).findings
    assert (finding.kind, finding.detail["exact"]) == ("recording", False)
    assert finding.detail["coverage"] == 1.0


def test_flat_saturated_and_calibration_stretches_join_nobody(signals: dict[str, np.ndarray]) -> None:
    rails = np.repeat([0, 4095, 0, 4095, 2048], 2000)
    square = np.tile(np.repeat([0, 1000], 25), 200)
    hum = np.tile([0, 900, 1800, 900, 400], 2000)
    artefacts = np.concatenate([rails, square, hum])[None]
    a = np.concatenate([artefacts, signals[SCP1_TRAIN][:, :20_000]], axis=1)
    b = np.concatenate([signals[SCP1_TEST][:, :20_000], artefacts], axis=1)
    flat = np.zeros((1, 20_000), np.int32)
    assert search({"a": a, "b": b, "flat": flat, "also flat": flat}).findings == ()


def test_recordings_too_short_for_landmarks_are_still_compared_whole() -> None:
    rng = np.random.default_rng(0)
    short = rng.integers(-100, 100, (3, 40))
    found = search({"a": short, "b": short[[2, 0, 1]], "c": short + 1, "empty": short[:, :0]})
    assert found.copies == (("a", "b"),)


# ---- how subjects are assigned


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_subject_and_no_joined_subjects_are_ever_in_two_splits(data: st.DataObject) -> None:
    subjects = data.draw(
        st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=25, unique=True)
    )
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(subjects), st.sampled_from(subjects)), max_size=8))
    findings = [shared(a, b) for a, b in pairs if a != b]
    named = {name: tuple(data.draw(st.lists(st.sampled_from(subjects), max_size=2))) for name in SPLITS}
    policy = {"seed": data.draw(st.integers(0, 5)), "named": named}
    try:
        split = split_of(subjects, findings, **policy)
    except SplitError:
        return
    assert set(split["people"]) == {f"{subject}_1" for subject in subjects}
    assert set(split["subjects"].values()) == set(SPLITS)
    for stem, unit in split["people"].items():
        assert split["recordings"][stem] == split["subjects"][unit]
    for finding in findings:
        a, b = finding.members
        assert split["recordings"][a] == split["recordings"][b]
    for name, members in named.items():
        assert all(split["recordings"][f"{member}_1"] == name for member in members)
    assert split == split_of(subjects[::-1], findings, **policy)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 60))
def test_three_subjects_fill_three_splits_and_a_new_one_hardly_moves_the_others(seed: int, n: int) -> None:
    subjects = [f"s{number}" for number in range(n + 1)]
    before = split_of(subjects[:n], seed=seed)["subjects"]
    after = split_of(subjects, seed=seed)["subjects"]
    assert set(before.values()) == set(SPLITS)
    moved = [subject for subject in before if before[subject] != after[subject]]
    assert len(moved) <= 2


def test_fractions_hold_over_many_subjects() -> None:
    homes = Counter(
        split_of([f"s{n}" for n in range(2000)], val_fraction=0.1, test_fraction=0.2)["subjects"].values()
    )
    assert abs(homes["val"] - 200) < 50 and abs(homes["test"] - 400) < 70


def test_named_test_subjects_are_the_whole_test_split() -> None:
    subjects = [f"s{n}" for n in range(40)]
    split = split_of(subjects, test_fraction=0.5, named={"test": ("s7",)})
    assert [subject for subject, home in split["subjects"].items() if home == "test"] == ["s7"]


def test_a_subject_joined_to_a_named_one_follows_it() -> None:
    split = split_of(list("abcdef"), [shared("a", "f")], named={"test": ("f",)})
    assert split["recordings"]["a_1"] == split["recordings"]["f_1"] == "test"
    assert split["people"]["a_1"] == split["people"]["f_1"]
    assert "content: 1 equal runs, 2.0 s in all" in split["evidence"]["a"]["evidence"]


def test_lists_that_would_part_shared_content_are_refused_naming_both_recordings(
    signals: dict[str, np.ndarray], tmp_path: Path
) -> None:
    subjects = {BLOCK9: "trap1a", BLOCK18: "trap1b", SCP1_TRAIN: "scp1"}
    sources = {stem: Source(subject, signals[stem], 255.0) for stem, subject in subjects.items()}
    sample = write_corpus(tmp_path / "corpus", sources)
    config = {"train_subjects": ["trap1a"], "test_subjects": ["trap1b"]}
    status, _, errors = run_payload("split_build", tmp_path / "split", config, corpus=sample)
    assert status == 1
    for part in (BLOCK9, BLOCK18, "'trap1a'", "'trap1b'", "train_subjects", "test_subjects", "same samples"):
        assert part in errors
    assert list((tmp_path / "split").iterdir()) == []


def test_a_chain_of_shared_content_between_named_subjects_is_spelled_out() -> None:
    with pytest.raises(SplitError, match=r"a_1 and b_1 share content.*b_1 and c_1 share content"):
        split_of(list("abcdef"), [shared("a", "b"), shared("b", "c")], named={"train": ("a",), "val": ("c",)})


@pytest.mark.parametrize(
    ("subjects", "config", "message"),
    [
        (
            "abc",
            {"test_subjects": ["zed"]},
            "test_subjects names 'zed', which is not in the corpus: it holds a, b",
        ),
        (
            "abc",
            {"test_subjects": ["a"], "val_subjects": ["a"]},
            "'a' is in val_subjects and in test_subjects",
        ),
        ("abc", {"val_fraction": 1.5}, "val_fraction=1.5: must be a finite number from 0 below 1"),
        ("abc", {"val_fraction": float("nan")}, "val_fraction=nan"),
        ("abc", {"val_fraction": 0.7, "test_fraction": 0.7}, "sum to more than 1"),
        ("abc", {"val_fraction": 0}, "no subject is left for val: val_fraction is 0"),
        ("ab", {}, "the corpus has 2: a, b. Add recordings of other subjects"),
        ("a", {}, "the corpus has 1: a"),
        ("abc", {"train_subjects": ["a", "b", "c"]}, "name fewer in train_subjects"),
        ("abc", {"train_subjects": "a"}, "train_subjects='a': must be a list"),
        ("", {}, "the corpus lists no recordings"),
    ],
)
def test_a_split_that_cannot_be_made_says_why_and_what_to_do(
    subjects: str, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused) as refused:
        policy = read(config, SplitSettings).policy()
        entries = [{"stem": f"{subject}_1", "subject": subject} for subject in subjects]
        build_split({"recordings": entries}, Duplicates((), (), {}), policy)
    assert message in str(refused.value)


def test_too_few_subjects_after_joining_says_who_was_joined() -> None:
    with pytest.raises(SplitError, match=r"Joined are a: .*content: 1 equal runs.*subjects: FILE"):
        split_of(list("abc"), [shared("a", "b")])


# ---- the payload


def test_the_manifest_is_the_same_bytes_again_and_says_nothing_of_the_machine(
    signals: dict[str, np.ndarray], tmp_path: Path
) -> None:
    sources = {
        stem: Source(stem, signals[stem][:, :8000], 255.0)
        for stem in (BLOCK9, BLOCK18, SCP1_TRAIN, "blink__blink_block03")
    }
    corpus = write_corpus(tmp_path / "corpus", sources)
    manifests = []
    for name in ("first", "second"):
        status, _, errors = run_payload("split_build", tmp_path / name, {"seed": 1}, corpus=corpus)
        assert status == 0, errors
        manifests.append((tmp_path / name / "split.json").read_bytes())
    assert manifests[0] == manifests[1]
    assert str(tmp_path).encode() not in manifests[0]


def test_a_damaged_archive_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sources = {f"r{n}": Source(f"s{n}", rng.integers(-500, 500, (2, 3000))) for n in range(3)}
    corpus = write_corpus(tmp_path / "corpus", sources)
    archive = corpus / "archives" / "r1.lma"
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    status, _, errors = run_payload("split_build", tmp_path / "split", {}, corpus=corpus)
    assert status == 1
    assert "r1.lma" in errors and "Traceback" not in errors
    assert list((tmp_path / "split").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["recordings"].update(a_1="val", b_1="test"), "its subject 'a' is not"),
        (lambda s: s["recordings"].pop("a_1"), "'a_1' is in only one of split and corpus"),
        (lambda s: s["recordings"].update(extra="val"), "'extra' is in only one of split and corpus"),
        (
            lambda s: s["duplicates"].append({"members": ["a_1", "b_1", "c_1"]}),
            "duplicated content in two splits",
        ),
        (lambda s: s.update(schema="other"), "schema is 'other'"),
        (lambda s: s.pop("subjects"), "field missing"),
        (lambda s: s.update(channels={"a_1": [3]}), "channels of 'a_1' are [3], it has 1"),
    ],
)
def test_a_manifest_that_was_changed_by_hand_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    split = split_of(list("abc"), named={"train": ("a",), "val": ("b",), "test": ("c",)})
    change(split)
    (tmp_path / "split.json").write_text(json.dumps(split))
    entries = [{"stem": f"{subject}_1", "subject": subject, "channels": ["x"]} for subject in "abc"]
    with pytest.raises(SplitError) as refused:
        read_split(tmp_path, {"recordings": entries})
    assert message in str(refused.value) and "build the split again" in str(refused.value)
