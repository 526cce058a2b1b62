"""The gate of a codec that follows states: what passes it, and every cheat that it refuses."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest

from blut_resources.registry.verdicts import Verdict
from cookbooks.lamquant.adaptive import checks
from cookbooks.lamquant.adaptive.advantage import Constant
from cookbooks.lamquant.adaptive.codec import (
    CONTROLLER,
    MANIFEST,
    AdaptiveInvalid,
    FollowingCodec,
    load_adaptive,
)
from cookbooks.lamquant.adaptive.fidelity import PartSums, labelled_samples, pooled, sums_of
from cookbooks.lamquant.controller.controller import DESCRIPTION
from cookbooks.lamquant.controller.states import CRITICAL
from cookbooks.lamquant.gate.energy import loudness
from cookbooks.lamquant.labels.kinds import SEEN_CRITICAL, UNLABELLED
from cookbooks.lamquant.labels.store import INDEX
from cookbooks.lamquant.lqc.decode import Decoder
from cookbooks.lamquant.payload.pipeline_encode import FollowingInputs
from tests.cookbooks.lamquant.adaptive.case import FollowingCase

ALWAYS, NEVER = -(1 << 20), 1 << 30


@pytest.fixture(scope="session")
def judged(good: FollowingCase) -> Verdict:
    return good.judge()


def figures(verdict: Verdict) -> dict[str, float | None]:
    return {one.name: one.measured for one in verdict.criteria if one.scope == "/corpus"}


def test_states_that_see_seizures_are_worth_bytes_and_the_verdict_says_by_what(good, judged):
    assert judged.passed, judged.reasons
    found = judged.measurements
    size = sum(path.stat().st_size for path in good.bitstreams.iterdir())
    assert found["rate_advantage"] == judged.details["constant"]["n_bytes"] / size > 1.02
    assert judged.details["constant"]["prdn"] <= found["critical_prdn"] < found["elsewhere_prdn"]
    assert judged.synthetic
    rows = {row["recording"]: row for row in judged.details["states"]}
    assert set(rows) == set(good.stems)
    for stem, row in rows.items():
        critical = (good.marks(stem) == SEEN_CRITICAL).sum() / 4
        assert abs(row["critical_s"] - critical) < 0.5 and abs(sum(row["shares"]) - 1) < 1e-3
        assert (row["critical_prdn"] is None) == (critical == 0)
    assert set(judged.inputs) >= {"bitstreams", "corpus", "decoded", "labels", "registry", "split", "states"}


def worth(case: FollowingCase, states_of: Callable[[str], np.ndarray]) -> float:
    """The rate advantage of any states."""
    codec, n_bytes, parts, critical = case.codec, 0, list[PartSums](), dict[str, np.ndarray]()
    recordings = {stem: case.recording(stem) for stem in case.stems}
    for stem, recording in recordings.items():
        data = codec.encode(recording, states_of(stem))
        n_bytes += len(data)
        critical[stem], _ = labelled_samples(case.marks(stem), recording.n_samples, recording.rate_hz, 250)
        decoded = Decoder(data, codec.model, threads=1).read_all()
        parts += sums_of(recording.digital, decoded, [critical[stem]])
    prdn = pooled(parts).prdn
    assert prdn is not None
    return Constant(codec, recordings, critical).find(prdn).n_bytes / n_bytes


def test_perfect_states_are_worth_much_and_loudness_less_than_the_floor(good, judged):
    def by_label(stem: str) -> np.ndarray:
        return np.where(good.marks(stem) == SEEN_CRITICAL, CRITICAL, 0).astype(np.uint8)

    def by_loudness(stem: str) -> np.ndarray:
        power, _ = loudness(good.recording(stem), 250)
        return np.where(power > np.quantile(power, 0.9), CRITICAL, 0).astype(np.uint8)

    perfect, loud = worth(good, by_label), worth(good, by_loudness)
    assert perfect > judged.measurements["rate_advantage"] > loud and perfect > 1.5 and loud < 1.15


def test_critical_for_ever_and_never_are_worth_nothing(case, judged):
    case.point(critical=ALWAYS)
    case.code()
    found = case.fails("rate_advantage").measurements
    assert found["rate_advantage"] == pytest.approx(1, abs=0.01) and found["critical_share"] == 1
    case.point(critical=NEVER, maybe=NEVER, interesting=NEVER, failsafe_rms=1000.0)
    case.code()
    found = case.judge().measurements
    assert found["rate_advantage"] < judged.measurements["rate_advantage"]
    assert found["critical_share"] == 0


def test_states_that_the_controller_did_not_decide_are_refused(case):
    def by_label(stem: str, own: np.ndarray) -> np.ndarray:
        return np.where(case.marks(stem) == SEEN_CRITICAL, CRITICAL, 0).astype(np.uint8)

    case.code(states=by_label)
    verdict = case.fails("states_in_bitstream:", "states are not the controller's: at ")
    assert figures(verdict)["states_in_bitstream_violations"] == len(case.stems)
    # the same cheat, with the states that should have been written beside
    for stem in case.stems:
        own = case.codec.decide(case.recording(stem))
        (case.states / f"{stem}.states").write_bytes(own.tobytes())
    case.fails("frames are not at the level of their states")


def test_shuffled_and_missing_states_are_refused(case):
    first, second, *_ = case.stems
    path = case.states / f"{first}.states"
    states = np.frombuffer(path.read_bytes(), np.uint8)
    path.write_bytes(np.random.default_rng(0).permutation(states).tobytes())
    (case.states / f"{second}.states").unlink()
    case.fails(f"{first}: ", f"{second}.states is missing")


def test_levels_of_another_codec_and_files_without_states_are_refused(case):
    from cookbooks.lamquant.adaptive.levels import StateLevels
    from cookbooks.lamquant.lqc.encode import encode
    from cookbooks.lamquant.lqc.targets import Level

    first, second, *_ = case.stems
    other = replace(case.codec, levels=StateLevels((9, 12, 16, 20)))
    recording = case.recording(first)
    (case.bitstreams / f"{first}.lqc").write_bytes(other.encode(recording, other.decide(recording)))
    plain = case.recording(second)
    data = encode(plain.digital, plain.rate_hz, case.codec.model, Level(14.0), profile="device")
    (case.bitstreams / f"{second}.lqc").write_bytes(data)
    case.fails(f"{first}: the levels in the file are", f"{second}: the file says of no state")


def test_labels_of_sealed_patients_are_refused_wherever_they_were_seen(case):
    manifest = case.candidate / MANIFEST
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(said | {"labels_sha256": "0" * 64}))
    case.fails("labels_seen: the thresholds were chosen by other labels")
    described = case.candidate / CONTROLLER / DESCRIPTION
    described.write_text(described.read_text().replace('"labels_sha256": "', '"labels_sha256": "f'))
    with pytest.raises(AdaptiveInvalid, match=r"controller_sha256=.*it was exchanged"):
        case.judge()


def test_the_process_that_decides_has_no_label_to_read():
    assert {field.name for field in fields(FollowingInputs)} == {"candidate", "corpus", "split"}


def test_frames_that_nobody_has_looked_at_count_nowhere(case, judged):
    from cookbooks.lamquant.labels.store import SEALED, write_labels

    for stem in case.stems:
        marks = case.marks(stem)
        marks[marks == 0] = UNLABELLED
        write_labels(case.labels / SEALED / f"{stem}.npy", marks)
    verdict = case.judge()
    assert verdict.measurements["elsewhere_prdn"] is None
    assert verdict.measurements["critical_prdn"] == judged.measurements["critical_prdn"]
    assert not verdict.passed


def test_labels_that_do_not_fit_a_recording_are_refused_in_words(case):
    from cookbooks.lamquant.labels.store import SEALED, write_labels

    stem, place = case.stems[0], case.labels / SEALED
    padded = np.concatenate([case.marks(stem), np.zeros(400, np.uint8)])
    write_labels(place / f"{stem}.npy", padded)
    index = json.loads((place / INDEX).read_text())
    index["recordings"][stem]["frames"] = len(padded)
    (place / INDEX).write_text(json.dumps(index))
    case.fails(f"labels_seen: {stem} has {len(padded)} labels, and {len(padded) - 400} states")


def test_a_recording_that_cannot_be_decided_is_a_fail_and_no_crash(case, monkeypatch):
    def slow(codec, recording):
        raise ValueError("rate_hz=32: must be at least 40; leave it out")

    monkeypatch.setattr(FollowingCodec, "decide", slow)
    verdict = case.fails(f"states_in_bitstream: {case.stems[0]}: rate_hz=32: must be at least 40")
    assert verdict.measurements["rate_advantage"] is None


def test_too_few_seizures_are_not_enough(case):
    text = (case.registry / "registry.yaml").read_text()
    (case.registry / "registry.yaml").write_text(text.replace("critical_events: 1", "critical_events: 500"))
    case.fails("minimum critical_events")


def test_a_missing_file_leaves_nothing_to_flatter_with(case):
    stem = case.stems[0]
    (case.bitstreams / f"{stem}.lqc").unlink()
    (case.decoded / f"{stem}.npy").unlink()
    verdict = case.fails(f"{stem}.lqc is missing")
    assert verdict.measurements["rate_advantage"] is None


class _Calm(FollowingCodec):
    """Never heard of a fail-safe."""

    def decide(self, recording):
        return np.zeros_like(super().decide(recording))


def test_what_looks_ahead_or_does_not_wake_is_found(good):
    codec, stem = good.codec, good.stems[0]
    recording = good.recording(stem)
    own = codec.decide(recording)
    assert not checks.not_causal(codec, stem, recording, own)
    assert not checks.not_fail_safe(codec, stem, recording)
    parts = {field.name: getattr(codec, field.name) for field in fields(FollowingCodec)}
    early = next(i for i, one in enumerate(own) if one != CRITICAL)
    ahead = own.copy()
    ahead[early] = CRITICAL
    assert "depends on what comes later" in checks.not_causal(codec, stem, recording, ahead)[0]
    assert "and not CRITICAL" in checks.not_fail_safe(_Calm(**parts), stem, recording)[0]


def test_a_recording_that_begins_loud_is_no_fault_of_the_fail_safe(good):
    codec, one = good.codec, good.recording(good.stems[0])
    x = one.read(0, one.n_samples).astype(np.int64)
    long = np.concatenate([100 * x, x, x, x], axis=1)
    loud = SimpleNamespace(
        rate_hz=one.rate_hz,
        channels=one.channels,
        n_samples=long.shape[1],
        read=lambda start, stop: long[:, start:stop].astype(np.int32),
    )
    assert not checks.not_fail_safe(codec, "loud", loud)
    parts = {field.name: getattr(codec, field.name) for field in fields(FollowingCodec)}
    assert checks.not_fail_safe(_Calm(**parts), "loud", loud)


def test_a_part_that_was_exchanged_is_refused(case):
    weights = case.candidate / "model.json"
    weights.write_text(weights.read_text() + " ")
    with pytest.raises(
        AdaptiveInvalid, match=r"codec_sha256=.*it was exchanged; make the adaptive codec again"
    ):
        load_adaptive(case.candidate)
    shutil.rmtree(case.candidate / CONTROLLER)
    with pytest.raises(AdaptiveInvalid, match=r"not an adaptive codec|not a controller"):
        load_adaptive(case.candidate)
