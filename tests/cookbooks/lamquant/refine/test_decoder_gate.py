"""The decoder's gate: the same bytes, a gain that is one, no recording worse, and no gain as a result."""

import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from blut_resources.files.digest import digest_path
from blut_resources.payload_kit.config import read
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import Verdict, parse_verdict
from cookbooks.lamquant.codec.files import open_codec
from cookbooks.lamquant.floors import SHIPPED_DECODER_REGISTRY
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.gate.comparison_page import shown_gain
from cookbooks.lamquant.payload.decoder_score import FILES, PREFIXES, DecoderScoreSettings, score
from cookbooks.lamquant.refine.files import DESCRIPTION
from cookbooks.lamquant.refine.training.save import save_refiner
from cookbooks.lamquant.verdicts.coding import rests_on_synthetic
from tests.cookbooks.lamquant.refine.decoder_case import arrays_of, net_of
from tests.cookbooks.lamquant.verdict_case import CHANGE, Case


@dataclass(frozen=True)
class DecoderCase:
    """A codec, a decoder for it, and the sealed recordings as both decode them."""

    case: Case

    def place(self, name: str) -> Path:
        return self.case.root / name

    def samples(self, name: str) -> Path:
        return self.place(name) / f"{self.case.stem}.npy"

    def refine(self, profile: str, share: float) -> None:
        """Say that the decoder takes this share of the error away, or adds it in a few samples."""
        prefix = PREFIXES[profile]
        original = open_corpus({"corpus": self.case.corpus}).open(self.case.stem).whole().digital
        shipped = np.load(self.samples(f"{prefix}shipped"))
        if share > 0:
            refined = np.rint(shipped + share * (original - shipped)).astype(np.int32)
        else:
            error = shipped - original
            some = np.cumsum(np.abs(error), axis=None).reshape(error.shape) < -share * (error**2).sum()
            refined = shipped + np.sign(error) * some
        np.save(self.samples(f"{prefix}refined"), refined.astype(np.int32))

    def judge(self, known: str | None = None, **more: Any) -> Verdict:
        names = [f"{prefix}{name}" for prefix in PREFIXES.values() for name in FILES]
        places = {name: self.place(name) for name in (*names, "candidate", "encoder", "registry")}
        inputs = {name: self.place(name) for name in ("corpus", "split", "windows")} | places
        judged = ("candidate", "encoder", "corpus", "split", "registry")
        config = {
            "digests": {name: digest_path(inputs[name]) for name in judged},
            "split": "test",
            "change": CHANGE,
            "known": known,
            **more,
        }
        return parse_verdict(score(read(config, DecoderScoreSettings), inputs).to_json())

    def fails(self, reason: str, **more: Any) -> Verdict:
        verdict = self.judge(**more)
        assert not verdict.passed
        assert any(reason in told for told in verdict.reasons), verdict.reasons
        return verdict


@pytest.fixture
def decoder_case(case: Case) -> DecoderCase:
    """Both profiles coded once; refined is as shipped."""
    root = case.root
    (root / "candidate").rename(root / "encoder")
    windows = json.loads((root / "encoder" / "model.json").read_bytes())["windows_sha256"]
    encoder = json.loads((root / "encoder" / "model.json").read_bytes())["weights_sha256"]
    save_refiner(root / "candidate", arrays_of(net_of()), encoder, {"windows_sha256": windows})
    shutil.copyfile(SHIPPED_DECODER_REGISTRY, root / "registry" / "registry.yaml")
    (root / "decoded").rename(root / "shipped")
    codec, recording = open_codec(root / "encoder", 1, profile="device"), open_corpus({"corpus": case.corpus})
    for name in ("device_bitstreams", "device_shipped"):
        (root / name).mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coded = root / "device_bitstreams" / f"{case.stem}.lqc"
        codec.encode(recording.open(case.stem), coded)
        codec.decode(coded, root / "device_shipped" / f"{case.stem}.npy")
    for prefix in PREFIXES.values():
        shutil.copytree(root / f"{prefix}bitstreams", root / f"{prefix}received")
        shutil.copytree(root / f"{prefix}shipped", root / f"{prefix}refined")
    return DecoderCase(case)


def test_a_gain_in_both_profiles_passes_and_is_told_by_profile(decoder_case: DecoderCase) -> None:
    decoder_case.refine("full", 0.02)
    decoder_case.refine("device", 0.06)
    verdict = decoder_case.judge(known=digest_path(decoder_case.place("bitstreams")))
    assert verdict.passed, verdict.reasons
    figures = verdict.measurements
    assert figures["gain_full_pct"] == pytest.approx(2, abs=0.4)
    assert figures["gain_device_pct"] == pytest.approx(6, abs=0.6)
    assert figures["regression_pct"] == 0 and verdict.details["outcome"] == "gain"
    assert verdict.synthetic is True and verdict.details["bitstreams_known"] is True
    (decoder_case.case.root / "judged").mkdir()
    (decoder_case.case.root / "judged" / "verdict.json").write_bytes(verdict.to_json())
    rows = shown_gain(decoder_case.case.root / "judged")["gain"].records
    assert [row.data["profile"] for row in rows] == ["device", "full"]
    assert rows[0].data["gain"].startswith("+")


def test_no_gain_is_a_verdict(decoder_case: DecoderCase) -> None:
    verdict = decoder_case.fails("comparison gain_pct is 0, required >= 0.5")
    assert verdict.details["outcome"] == "no gain" and len(verdict.reasons) == 1


def test_a_decoder_that_is_worse_by_a_tenth_of_a_percent_on_one_file_is_refused(
    decoder_case: DecoderCase,
) -> None:
    decoder_case.refine("device", 0.2)
    decoder_case.refine("full", -0.001)
    verdict = decoder_case.fails("comparison regression_pct is")
    assert 0 < (verdict.measurements["regression_pct"] or 0) < 0.3
    assert (verdict.measurements["gain_pct"] or 0) > 5
    assert verdict.details["outcome"] == "worse on a recording"


def test_bytes_that_are_not_those_of_the_encoder_are_refused(decoder_case: DecoderCase) -> None:
    for profile in PREFIXES:
        decoder_case.refine(profile, 0.1)
    decoder_case.fails("the encoder's own verdict was made on other bytes", known="f" * 64)
    path = decoder_case.place("received") / f"{decoder_case.case.stem}.lqc"
    path.write_bytes(path.read_bytes() + b"\0")
    decoder_case.fails("same_bitstreams: full: what was decoded has digest")


def test_a_decoder_of_another_encoder_or_of_other_windows_is_refused(decoder_case: DecoderCase) -> None:
    said = decoder_case.place("candidate") / DESCRIPTION
    decoder_case.case.edit_json(said, lambda document: document.update(for_encoder="ab" * 32))
    decoder_case.fails("same_bitstreams: the decoder was trained for the encoder abab")
    decoder_case.case.edit_json(said, lambda document: document.update(windows_sha256="cd" * 32))
    decoder_case.fails("test_patients_unseen: the candidate was trained on other windows")


def test_a_decoder_that_leaves_a_recording_out_is_not_measured(decoder_case: DecoderCase) -> None:
    decoder_case.samples("device_refined").unlink()
    verdict = decoder_case.fails("one_decoding_per_recording: device: ")
    assert verdict.details["outcome"] == "not measured" and verdict.measurements["gain_pct"] is None


def test_a_decoder_for_a_codec_of_made_up_recordings_is_synthetic_too(
    decoder_case: DecoderCase, tmp_path: Path
) -> None:
    index = decoder_case.case.corpus / "corpus.json"
    corpus = json.loads(index.read_text())
    before = decoder_case.judge()
    for entry in corpus["recordings"]:
        entry["synthetic"] = False
    index.write_text(json.dumps(corpus))
    real = decoder_case.judge()
    assert [one.synthetic for one in (before, real)] == [True, False]
    assert decoder_case.judge(encoder_synthetic=True).synthetic is True
    registry = ModelRegistry(tmp_path / "registry")
    for candidate, judged in (("a" * 64, before), ("b" * 64, real)):
        about: Any = {"inputs": {}, "floors": [], "figures": {}, "license": "unknown", "run": "r"}
        registry.register("lamquant-joint", candidate=candidate, verdict=candidate, passed=True, **about)
        store = SimpleNamespace(root=tmp_path, read=lambda *_, judged=judged: judged.to_json())
        stage: Any = SimpleNamespace(store=store)
        assert rests_on_synthetic(stage, candidate) is bool(judged.synthetic)
        assert not rests_on_synthetic(stage, "c" * 64)
