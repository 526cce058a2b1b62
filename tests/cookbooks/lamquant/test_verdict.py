"""The codec gate, judged by a real codec's files: what must pass, and every way in which it must fail.

The recordings are synthetic, which is enough to see what the gate refuses; the figures mean nothing.
"""

import hashlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.config import read
from blut_resources.payload_kit.refuse import Refused
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.rules import misses
from blut_resources.registry.verdicts import PromotionRefused, Verdict
from blut_resources.store.artifacts import ArtifactStore
from cookbooks.lamquant.artifacts.verdicts import PccpVerdict
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.gate.floors import (
    RegistryInvalid,
    floors_in_force,
    load_registry,
    pinned_floors,
    possible,
    required_floors,
)
from cookbooks.lamquant.gate.grade import LADDER, grade_corpus, grade_recording
from cookbooks.lamquant.gate.split import SplitInvalid
from cookbooks.lamquant.lqc.container.header import FileHeader
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.container.writer import Writer
from cookbooks.lamquant.payload.verdict_score import ScoreSettings, score
from cookbooks.lamquant.signal.bands import BANDS
from tests.cookbooks.lamquant.split_corpora import read_recording
from tests.cookbooks.lamquant.verdict_case import CHANGE, REGISTRY, Case, made, payload

SHIPPED = Path(__file__).parents[3] / "cookbooks" / "lamquant" / "configs" / "pccp_registry.yaml"


# what passes


def test_a_codec_that_meets_every_floor_passes_and_its_verdict_says_by_what(good):
    verdict = good.judge()
    assert verdict.passed, verdict.reasons
    assert verdict.candidate == digest_path(good.candidate)
    assert verdict.inputs == {
        name: digest_path(good.root / name)
        for name in ("bitstreams", "corpus", "decoded", "registry", "split")
    }
    registry = load_registry(good.registry)
    assert [c.as_floor() for c in verdict.criteria] == required_floors(registry, [good.stem])
    figures = verdict.details["per_recording"][good.stem]
    assert figures["bitstream_digest"] == digest_path(good.bitstream)
    assert figures["cr"] == 2 * figures["samples"] / good.bitstream.stat().st_size
    assert verdict.measurements["cr"] == figures["cr"]
    assert verdict.details["counts"]["synthetic_recordings"] == 1
    assert verdict.details["per_band"]["gamma"]["prd"] is None
    assert verdict.details["per_band"]["alpha"]["prd"] > 0


def test_the_figures_are_those_of_the_decoded_integers_against_the_originals_in_microvolts(good):
    recording = read_recording(good.corpus, good.stem)
    decoded = np.load(good.decoding) * recording.scale[:, None] + recording.offset[:, None]
    x, error = recording.microvolts, recording.microvolts - decoded
    figures = good.judge().details["per_recording"][good.stem]
    assert figures["prd"] == pytest.approx(100 * np.sqrt((error**2).sum() / (x**2).sum()), rel=1e-12)
    about_mean = x - x.mean(axis=1, keepdims=True)
    assert figures["prdn"] == pytest.approx(
        100 * np.sqrt((error**2).sum() / (about_mean**2).sum()), rel=1e-12
    )
    assert figures["r"] == pytest.approx(np.corrcoef(x.ravel(), decoded.ravel())[0, 1], rel=1e-12)


def test_the_payload_writes_the_same_bytes_wherever_the_inputs_lie_and_reports_the_facts(
    case, good, tmp_path
):
    done = payload(tmp_path, "verdict_score", case.named(), **case.inputs())
    assert done.returncode == 0, done.stderr
    data = (tmp_path / "verdict_score" / "verdict.json").read_bytes()
    assert data == good.judge().to_json()
    assert str(tmp_path).encode() not in data
    facts = json.loads(done.stdout.splitlines()[-1])["facts"]
    artifact = PccpVerdict(**facts)
    assert artifact.passed and artifact.n_recordings == 1 and artifact.n_failed_criteria == 0
    assert artifact.candidate == digest_path(case.candidate)


def test_a_passing_candidate_is_promoted_and_one_swapped_afterwards_is_not(case, tmp_path):
    store = ArtifactStore(tmp_path / "store")
    registry = ModelRegistry(tmp_path / "registry")
    wanted = {
        "verdict": stored(store, case.judge()),
        "store": store,
        "inputs": {"registry": digest_path(case.registry)},
        "floors": floors_in_force(
            (case.registry / "registry.yaml").read_bytes(), (case.split / "split.json").read_bytes()
        ),
    }
    candidate = digest_path(case.candidate)
    assert registry.promote("lamquant-joint", "synthetic-lab", candidate=candidate, **wanted)[1]

    with (case.candidate / "model.safetensors").open("ab") as weights:
        weights.write(b"\0")
    swapped = digest_path(case.candidate)
    with pytest.raises(PromotionRefused, match=f"about candidate {candidate}, not {swapped}"):
        registry.promote("lamquant-joint", "synthetic-lab", candidate=swapped, **wanted)
    assert registry.resolve("lamquant-joint@synthetic-lab") == candidate


def test_a_split_by_names_alone_is_a_reservation_of_the_verdict(case):
    assert case.judge().reservations is None, "the headers name the subjects"
    alone = ["SYNTHETIC-s001", "SYNTHETIC-s003"]
    case.edit_json(case.split / "split.json", lambda d: d["meta"].update(by_names_only=alone))
    (told,) = case.judge().reservations or []
    assert told.startswith("2 of 3 patients of its split are known by names") and "SYNTHETIC-s001" in told
    assert case.judge().passed, "of itself no failure: an alias that nobody governs takes it"


def stored(store: ArtifactStore, verdict: Verdict) -> str:
    """The digest of a verdict in a store."""
    folder = store.staging()
    (folder / "verdict.json").write_bytes(verdict.to_json())
    return store.put(folder)


def test_pinned_floors_judge_a_verdict_by_other_floors_again(case):
    verdict = case.judge()
    assert misses(verdict.criteria, pinned_floors(REGISTRY.encode(), "r.yaml", "lamquant-joint")) == []
    stricter = REGISTRY.replace("max_prdn: 40", "max_prdn: 0.001").replace("recordings: 1", "recordings: 9")
    told = misses(verdict.criteria, pinned_floors(stricter.encode(), "r.yaml", "lamquant-joint"))
    assert told[0].startswith("/corpus: minimum recordings is 1, required >= 9")
    assert told[1].startswith(f"{case.stem}: acceptance prdn is ") and "required <= 0.001" in told[1]
    assert {"channel", "stretch"} <= {sentence.split()[1] for sentence in told[2:]}, "floors that follow"
    wider = REGISTRY.replace("minima:", "  gamma: {max_prd: 100, min_r: 0.01}\nminima:")
    told = misses(verdict.criteria, pinned_floors(wider.encode(), "r.yaml", "lamquant-joint"))
    assert told[0].startswith(f"{case.stem}: band gamma_prd is not measured")
    assert "judge it by these floors" in told[-1]
    with pytest.raises(RegistryInvalid, match="its floors are for model 'lamquant-joint', not 'other'"):
        pinned_floors(REGISTRY.encode(), "r.yaml", "other")


def test_a_registry_can_ask_for_a_level_of_the_ladder(case):
    grade = case.judge().details["grade"]
    assert grade == "below"
    (case.registry / "registry.yaml").write_text(REGISTRY + "min_lqs: A\n")
    case.fails("/corpus: grade lqs_level is 0, required >= 1")


def test_a_figure_that_cannot_be_is_not_measured():
    for name, value in {"r": 1.5, "alpha_r": -2, "prdn": -1, "worst_cr": 0}.items():
        assert not possible(name, value), name
    for name, value in {"r": 1 + 1e-12, "prd": 0, "snr_db": -5, "recordings": 0}.items():
        assert possible(name, value), name


# what fails: the candidate


def test_a_checkpoint_other_than_the_one_named_fails(case):
    other = case.named()["candidate_digest"]
    (case.candidate / "notes.txt").write_text("retrained")
    case.fails("inputs_unchanged: candidate has digest", candidate_digest=other)


@pytest.mark.parametrize("name", ["corpus", "split", "registry", "bitstreams", "decoded"])
def test_an_input_other_than_the_one_named_fails(case, name):
    case.fails(f"inputs_unchanged: {name} has digest", **{f"{name}_digest": "0" * 64})


def test_floors_relaxed_after_the_run_began_fail(case):
    before = case.named()["registry_digest"]
    path = case.registry / "registry.yaml"
    path.write_text(REGISTRY.replace("min_cr: 4", "min_cr: 1"))
    case.fails("inputs_unchanged: registry has digest", registry_digest=before)


@pytest.mark.slow
def test_shuffled_weights_write_no_file_and_fail(case, tmp_path):
    path = case.candidate / "model.safetensors"
    weights, rng = load_file(path), np.random.default_rng(0)
    for name, value in weights.items():
        weights[name] = rng.permutation(value.ravel()).reshape(value.shape)
    save_file(weights, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    case.edit_json(case.candidate / "model.json", lambda d: d.update(weights_sha256=digest))
    done = payload(
        tmp_path, "codec_encode", {}, checkpoint=case.candidate, corpus=case.corpus, split=case.split
    )
    assert done.returncode != 0 and "the checkpoint is damaged" in done.stderr
    for written in (case.bitstream, case.decoding):
        written.unlink()
    case.fails("one_bitstream_per_recording", "is missing", "cr is not measured")


def test_bitstreams_of_another_checkpoint_fail(case):
    data = case.bitstream.read_bytes()
    with ChunkReader(data) as reader, Writer(case.bitstream, _of_another(reader.header)) as writer:
        for number in range(reader.n_chunks(0)):
            writer.chunk(0, reader.chunk(0, number))
    assert len(case.bitstream.read_bytes()) == len(data)
    case.fails("was not written by this candidate", "cr is not measured")


def _of_another(header: FileHeader) -> FileHeader:
    return replace(header, groups=tuple(replace(group, digest=bytes(8)) for group in header.groups))


# what fails: the output


def test_shuffled_output_fails(case):
    decoded = np.load(case.decoding)
    np.save(case.decoding, np.random.default_rng(0).permutation(decoded, axis=1))
    verdict = case.fails("acceptance r is", "acceptance prdn is", "band alpha_r is")
    assert verdict.details["grade"] == "below"


def test_swapped_channels_fail(case):
    np.save(case.decoding, np.load(case.decoding)[::-1])
    case.fails("acceptance prdn is")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_decoded_values_that_are_not_finite_fail(case, value):
    decoded = np.load(case.decoding).astype(np.float64)
    decoded[0, 17] = value
    np.save(case.decoding, decoded)
    verdict = case.fails("holds float64, not integers", "r is not measured")
    assert verdict.measurements["prdn"] is None


def test_a_microvolt_scale_that_is_not_finite_fails_as_unmeasured(case):
    def spoil(corpus: dict[str, Any]) -> None:
        entry = next(e for e in corpus["recordings"] if e["stem"] == case.stem)
        entry["unit_scale"][0] = math.nan

    case.edit_json(case.corpus / "corpus.json", spoil)
    case.fails("holds a value that is not finite", "r is not measured")


def test_a_decoder_crash_leaves_a_file_out_and_that_fails(case):
    case.decoding.unlink()
    verdict = case.fails("one_decoding_per_recording", "is missing", "prdn is not measured")
    assert verdict.measurements["cr"] is None
    assert {c.name for c in verdict.criteria if c.scope == case.stem and c.passed} == set()


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1], lambda b: b[:40], lambda b: b"", lambda b: b"PK" + b[2:]]
)
def test_a_decoding_cut_short_by_a_crash_fails(case, spoil):
    case.decoding.write_bytes(spoil(case.decoding.read_bytes()))
    case.fails("one_decoding_per_recording", "r is not measured")


def test_a_pickled_decoding_is_not_executed_and_fails(case):
    np.save(case.decoding, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    case.fails("cannot be read as an array")


@pytest.mark.parametrize("cut", [np.s_[:, :-1], np.s_[:-1], np.s_[:, :0], np.s_[0]])
def test_output_of_another_shape_fails(case, cut):
    np.save(case.decoding, np.load(case.decoding)[cut])
    case.fails("has shape")


# what fails: the bytes


def test_latents_measured_instead_of_bytes_fail(case):
    with case.bitstream.open("wb") as file:
        np.save(file, np.zeros((3, 8), np.int8))
    verdict = case.fails("real_bitstreams", "is not a bitstream", "cr is not measured")
    assert verdict.measurements["cr"] is None


def test_latents_beside_the_bytes_fail(case):
    np.save(case.bitstreams / "latents.npy", np.zeros((3, 8), np.int8))
    case.fails("latents.npy belongs to no recording of the test split")


def test_an_estimated_size_in_a_sidecar_is_not_believed_and_fails(case, good):
    (case.bitstreams / "sizes.json").write_text(json.dumps({case.stem: 1}))
    verdict = case.fails("sizes.json belongs to no recording of the test split")
    assert verdict.measurements["cr"] == good.judge().measurements["cr"]


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b[:4], lambda b: b[:-1], lambda b: b + b"\0"])
def test_an_empty_truncated_or_padded_bitstream_fails(case, spoil):
    case.bitstream.write_bytes(spoil(case.bitstream.read_bytes()))
    case.fails("real_bitstreams", "cr is not measured")


def test_a_link_to_bytes_elsewhere_fails(case):
    bitstream = case.bitstream
    bitstream.rename(case.bitstreams / "elsewhere.bin")
    bitstream.symlink_to("elsewhere.bin")
    case.fails("is not a plain file", "elsewhere.bin belongs to no recording")


def test_a_missing_bitstream_fails(case):
    case.bitstream.unlink()
    verdict = score(read(case.named(), ScoreSettings), case.inputs())
    assert not verdict.passed and any("is missing" in reason for reason in verdict.reasons)


# what fails: what was measured


def test_a_declared_band_that_cannot_be_measured_fails(case):
    text = REGISTRY.replace("minima:", "  gamma: {max_prd: 100, min_r: 0.01}\nminima:")
    (case.registry / "registry.yaml").write_text(text)
    case.fails("band gamma_prd is not measured", "band gamma_r is not measured")


def test_zero_windows_fail(case):
    def empty(split: dict[str, Any]) -> None:
        split["excluded"] = {case.stem: "too short"}
        del split["recordings"][case.stem]

    case.edit_json(case.split / "split.json", empty)
    verdict = case.fails("has no test recording", "recordings is 0", "samples is 0")
    assert verdict.details["grade"] == "below" and verdict.measurements["r"] is None


def test_less_than_the_registered_minimum_fails(case):
    (case.registry / "registry.yaml").write_text(REGISTRY.replace("samples: 10000", "samples: 10000000"))
    case.fails("minimum samples is 15360, required >= 1e+07")


def test_the_worst_recording_decides_and_not_the_mean(case):
    (case.registry / "registry.yaml").write_text(REGISTRY.replace("min_cr: 4", "min_cr: 10000"))
    case.fails(f"{case.stem}: acceptance cr is")


# what fails: the split


def relabel(case: Case, *fields: str) -> None:
    """Call the validation split test, and the test split validation."""
    swap = {"test": "val", "val": "test"}
    case.edit_json(
        case.split / "split.json",
        lambda d: d.update({f: {k: swap.get(n, n) for k, n in d[f].items()} for f in fields}),
    )


def test_the_validation_split_given_as_test_fails(case):
    case.fails("asked to judge on 'val'", split="val")
    relabel(case, "recordings")
    case.fails("patients_disjoint", "its patient")


@pytest.mark.slow
def test_a_split_that_calls_the_validation_patient_test_throughout_fails(case, tmp_path):
    relabel(case, "recordings", "subjects")
    case.code(tmp_path)
    verdict = case.fails("was trained on and is in the test split")
    # everything else fits: the split is consistent, and the files are those of its test recording
    assert [c.name for c in verdict.criteria if c.kind == "integrity" and not c.passed] == [
        "test_patients_unseen_violations"
    ]


def test_files_of_validation_recordings_fail(case):
    split = json.loads((case.split / "split.json").read_text())
    other = next(stem for stem, name in split["recordings"].items() if name == "val")
    for path in (case.bitstream, case.decoding):
        path.rename(path.with_stem(other))
    verdict = score(read(case.named(), ScoreSettings), case.inputs())
    assert not verdict.passed
    assert (
        f"one_bitstream_per_recording: {other}.lqc belongs to no recording of the test split"
        in verdict.reasons
    )


def test_windows_other_than_those_the_candidate_was_trained_on_fail(case):
    case.edit_json(case.windows / "windows.json", lambda d: d.update(recordings=d["recordings"][:1]))
    case.fails("the candidate was trained on other windows than those given")


def test_a_recording_duplicated_across_splits_fails(good, case, tmp_path):
    """The patient's recording lies under two names, one of them trained on."""
    edf = tmp_path / "edf"
    shutil.copytree(good.root.parent / "edf", edf)
    trained = sorted(edf.rglob("*.edf"))[0]
    (edf / "copy").mkdir()
    shutil.copy(trained, edf / "copy" / "zz_copy.edf")
    corpus = made(tmp_path, "lma_encode", {}, recordings=edf)
    entry = next(e for e in read_corpus(corpus)["recordings"] if "zz_copy" in e["stem"])
    shutil.rmtree(case.corpus)
    shutil.move(corpus, case.corpus)

    def add(split: dict[str, Any]) -> None:
        split["recordings"][entry["stem"]] = "test"
        split["subjects"].setdefault(entry["subject"], "test")

    case.edit_json(case.split / "split.json", add)
    case.fails("no_duplicates_across_splits", "share content: recording")


def test_a_recording_without_a_split_fails(case):
    case.edit_json(case.split / "split.json", lambda d: d["recordings"].pop(case.stem))
    case.fails("has no split")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "blut.split.v2", "subjects": {}, "recordings": {}}',
        '{"schema": "blut.split.v1", "subjects": {"a": "test", "a": "val"}, "recordings": {}}',
        '{"schema": "blut.split.v1", "subjects": {"a": "holdout"}, "recordings": {}}',
    ],
)
def test_a_malformed_split_gives_no_verdict(case, text):
    (case.split / "split.json").write_text(text)
    with pytest.raises(SplitInvalid, match=r"split\.json"):
        case.judge()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"change": {**CHANGE, "change_id": "../x"}}, "change.change_id"),
        ({"dry_run": True}, "dry_run"),
        ({"candidate_digest": ""}, "candidate_digest"),
    ],
)
def test_a_request_with_an_unusable_field_is_refused_naming_it(good, changes, told):
    with pytest.raises(Refused) as refused:
        read(good.named(**changes), ScoreSettings)
    assert str(refused.value).startswith(f"{told}=")


def test_a_change_of_a_class_the_registry_does_not_list_is_refused(good):
    with pytest.raises(RegistryInvalid, match=r"change_class is 'Z\.9'.*allows A\.1"):
        good.judge(change={**CHANGE, "change_class": "Z.9"})


def test_unusable_input_ends_the_payload_with_one_sentence_and_no_verdict(case, tmp_path):
    shutil.rmtree(case.decoded)
    done = payload(tmp_path, "verdict_score", case.named(), **case.inputs())
    assert done.returncode != 0
    assert done.stderr.startswith("input decoded is missing") and "Traceback" not in done.stderr
    assert "done" not in done.stdout
    assert not (tmp_path / "verdict_score" / "verdict.json").exists()


def test_an_anchor_is_shown_and_decides_nothing(case):
    (case.root / "anchor.json").write_text('{"dct": {"cr": 20.5}}')
    inputs = {**case.inputs(), "anchor": case.root / "anchor.json"}
    verdict = score(read(case.named(), ScoreSettings), inputs)
    assert verdict.passed and verdict.details["anchor"] == {"dct": {"cr": 20.5}}


# the floor registry


def test_the_shipped_registry_loads_and_asks_what_it_says():
    registry = load_registry(SHIPPED)
    floors = {(f.name, f.op, f.floor) for f in required_floors(registry, ["x"]) if f.scope == "x"}
    assert {("r", ">=", 0.98), ("prdn", "<=", 18), ("cr", ">=", 15)} <= floors
    assert {f"{b}_{m}" for b in ("delta", "theta", "alpha", "beta") for m in ("prd", "r")} <= {
        name for name, _, _ in floors
    }
    assert not any("gamma" in name for name, _, _ in floors)
    assert set(registry.bands) < set(BANDS)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("min_r: 0.9", "min_r: .nan", "each_recording.min_r"),
        ("max_prdn: 40", "max_prdn: .inf", "each_recording.max_prdn"),
        ("max_prdn: 40", "max_prdn: 1.0e+9", "each_recording.max_prdn"),
        ("max_prdn: 40", "max_prdn: -1", "each_recording.max_prdn"),
        ("min_cr: 4", "min_cr: 0", "each_recording.min_cr"),
        ("minima:", "min_lqs: Z\nminima:", "min_lqs"),
        ("min_cr: 4", "min_cr: true", "each_recording.min_cr"),
        ("min_cr: 4", "min_cr: '4'", "each_recording.min_cr"),
        ("min_r: 0.9,", "", "each_recording.min_r"),
        ("min_r: 0.9", "min_r: 0", "each_recording.min_r"),
        ("min_r: 0.9", "min_r: 1.5", "each_recording.min_r"),
        ("min_r: 0.9", "min_R: 0.9", "each_recording.min_R"),
        ("min_r: 0.9", "min_r: 0.9, min_r: 0.1", "'min_r' appears twice"),
        ("model: lamquant-joint", "model: lamquant-joint\nmodel: other", "'model' appears twice"),
        ("alpha:", "mu:", "bands.mu"),
        ("split: test", "split: val", "split"),
        ("recordings: 1", "recordings: 0", "minima.recordings"),
        ("version: 0.1.0", "version: 0.1", "version"),
        ("blut.floor_registry.v1", "blut.floor_registry.v2", "schema"),
        ("minima:", "extra: 1\nminima:", "extra"),
        ("minima:", "minima: [", "registry.yaml"),
    ],
)
def test_a_registry_that_cannot_be_trusted_is_refused_naming_the_field(tmp_path, old, new, told):
    assert old in REGISTRY
    path = tmp_path / "registry.yaml"
    path.write_text(REGISTRY.replace(old, new, 1))
    with pytest.raises(RegistryInvalid, match=r"registry\.yaml") as refused:
        load_registry(path)
    assert told in str(refused.value)


def test_a_registry_without_bands_is_refused(tmp_path):
    text = REGISTRY[: REGISTRY.index("bands:")] + "bands: {}\n" + REGISTRY[REGISTRY.index("minima:") :]
    (tmp_path / "registry.yaml").write_text(text)
    with pytest.raises(RegistryInvalid, match="bands"):
        load_registry(tmp_path)


def test_the_newest_of_two_registries_in_a_directory_is_not_guessed(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(REGISTRY)
    with pytest.raises(RegistryInvalid, match="must be one YAML file, found 2"):
        load_registry(tmp_path)


# the ladder


def figures(**changes: Any) -> dict[str, Any]:
    """Figures that just reach level C."""
    gates = LADDER["C"][3]
    bands = {f"{b}_prd": prd for b, (prd, _) in gates.items()} | {f"{b}_r": r for b, (_, r) in gates.items()}
    return {"exact": False, "r": 0.95, "prd": 9.0, "cr": 20.0, **bands, **changes}


@pytest.mark.parametrize(
    ("measured", "level"),
    [
        (figures(), "C"),
        (figures(exact=True, cr=0.8), "L"),
        (figures(exact=True, cr=0.79, r=1.0, prd=0.0), "below"),
        (figures(r=0.99, prd=5.0), "N"),
        (figures(r=0.99, prd=5.0, cr=1.0, beta_prd=99.0), "N"),
        (figures(cr=19.99), "below"),
        (figures(beta_prd=12.01), "below"),
        (figures(beta_prd=12.01, cr=100.0), "M"),
        (figures(beta_prd=39.0, beta_r=0.7, cr=200.0), "A"),
        (figures(beta_r=0.64, cr=500.0), "below"),
        (figures(beta_prd=None), "below"),
        (figures(r=math.nan), "below"),
        (figures(prd=None), "below"),
        ({}, "below"),
    ],
)
def test_a_recording_reaches_the_strictest_level_whose_every_gate_it_meets(measured, level):
    assert grade_recording(measured, list(LADDER["C"][3])) == level


def test_only_declared_bands_decide_the_level():
    poor_gamma = figures(gamma_prd=None, gamma_r=None)
    assert grade_recording(poor_gamma, ["delta", "theta", "alpha", "beta"]) == "C"
    assert grade_recording(poor_gamma, ["delta", "theta", "alpha", "beta", "gamma"]) == "below"


def test_the_corpus_has_the_level_of_its_worst_recording():
    assert grade_corpus(["L", "C", "N"]) == "C"
    assert grade_corpus(["L", "below", "A"]) == "below"
    assert grade_corpus([]) == "below"
