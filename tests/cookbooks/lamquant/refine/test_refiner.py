"""A better decoder of the same bytes: odd, the same for any stretch, bound to its codec, without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cookbooks.lamquant.lqc.decode import Decoder, decode
from cookbooks.lamquant.lqc.encode import encode
from cookbooks.lamquant.lqc.entropy import PlaneSpec
from cookbooks.lamquant.lqc.errors import LqcError, ModelError
from cookbooks.lamquant.lqc.planes import PROFILES, Profile
from cookbooks.lamquant.lqc.targets import NoiseRatio
from cookbooks.lamquant.refine.features import N_ABOUT, N_LOCAL, N_SPREAD
from cookbooks.lamquant.refine.files import DESCRIPTION, WEIGHTS, load_refiner
from cookbooks.lamquant.refine.guess import guess_planes
from cookbooks.lamquant.refine.network import RefineNet
from tests.cookbooks.lamquant.codec_support import ROOT
from tests.cookbooks.lamquant.lqc.recording_case import related, small_model
from tests.cookbooks.lamquant.refine.decoder_case import arrays_of, net_of, refiner_of, write_decoder

MODEL = small_model()


def sparse_planes(planes: int = 3, frames: int = 40, hop: int = 32) -> np.ndarray:
    rng = np.random.default_rng(4)
    return np.rint(rng.laplace(0, 1.5, (planes, frames, hop)) * np.exp(-np.arange(hop) / 8)).astype(
        np.float32
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_the_negative_of_what_was_coded_is_refined_to_the_negative(profile: Profile) -> None:
    planes, offsets = sparse_planes(), np.repeat(np.array([0, 3, -2, 0], np.int8), 10)
    spec = PlaneSpec(np.array([20, 16, 12], np.uint8), 32, 128.0, offsets)
    refiner = refiner_of(MODEL.digest)
    out = refiner.refined(planes, spec, profile)
    assert not np.array_equal(out, planes)
    np.testing.assert_array_equal(refiner.refined(-planes, spec, profile), -out)


def test_the_network_that_decodes_is_the_one_that_was_trained() -> None:
    net, rng = net_of(3), np.random.default_rng(0)
    spread, local = (rng.standard_normal((12, 9, n)).astype(np.float32) for n in (N_SPREAD, N_LOCAL))
    about = rng.standard_normal((9, N_ABOUT)).astype(np.float32)
    here = RefineNet.from_arrays(arrays_of(net))
    with torch.no_grad():
        there = net(*(torch.from_numpy(one)[None] for one in (spread, local, about)))[0].numpy()
    np.testing.assert_allclose(here.weigh(spread, local, about @ here.about), there, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("profile", PROFILES)
def test_any_stretch_is_refined_as_it_is_in_the_whole(profile: Profile) -> None:
    x, refiner = related(3, 150.0, 128.0), refiner_of(MODEL.digest)
    data = encode(x, 128.0, MODEL, NoiseRatio(0.3), profile=profile, threads=1)
    whole = decode(data, MODEL, refiner=refiner)
    assert not np.array_equal(whole, decode(data, MODEL))
    decoder = Decoder(data, MODEL, threads=1, refiner=refiner)
    for start, stop in ((0, 1), (5000, 5600), (12_000, 19_200)):
        np.testing.assert_array_equal(decoder.read(start, stop), whole[:, start:stop])


def test_blocks_of_frames_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = sparse_planes(2, 300)
    spec = PlaneSpec(np.array([18, 15], np.uint8), 32, 128.0, np.zeros(300, np.int8))
    whole = refiner_of(MODEL.digest).refined(planes, spec, "full")
    monkeypatch.setattr("cookbooks.lamquant.refine.refiner._BLOCK", 1000)
    np.testing.assert_allclose(refiner_of(MODEL.digest).refined(planes, spec, "full"), whole, atol=1e-5)


def test_channels_that_hear_the_same_are_guessed_from_each_other_and_strangers_are_not() -> None:
    rng = np.random.default_rng(1)
    source = 3 * rng.standard_normal((1, 60, 64))
    same = np.rint(source + 0.3 * rng.standard_normal((4, 60, 64))).astype(np.float32)
    strangers = np.rint(3 * rng.standard_normal((4, 60, 64))).astype(np.float32)
    guess = guess_planes(same, 64, 128.0)
    assert np.square(guess.value - same).mean() < 0.1 * np.square(same).mean()
    assert np.square(guess_planes(strangers, 64, 128.0).value).mean() < 0.02 * np.square(strangers).mean()
    alone = guess_planes(same[:1], 64, 128.0)
    assert not alone.value.any() and (alone.rest == -1).all()


def test_a_decoder_of_another_codec_is_refused() -> None:
    data = encode(related(2, 20.0), 256.0, MODEL, NoiseRatio(0.3), threads=1)
    with pytest.raises(ModelError, match=f"trained for {b'other123'.hex()}: give the decoder of that model"):
        Decoder(data, MODEL, refiner=refiner_of(b"other123"))


def test_a_damaged_decoder_is_refused_in_words(tmp_path: Path) -> None:
    place = write_decoder(tmp_path / "decoder", "ab" * 32)
    assert load_refiner(place).for_model == bytes.fromhex("ab" * 8)
    said = json.loads((place / DESCRIPTION).read_bytes())
    for change, words in (
        ({"schema": "blut.refining_decoder.v9"}, "schema="),
        ({"for_encoder": "abc"}, "for_encoder='abc': must be the SHA-256"),
        ({"weights_sha256": "00"}, "is not the one in refine.json"),
    ):
        (place / DESCRIPTION).write_text(json.dumps(said | change))
        with pytest.raises(LqcError, match=words):
            load_refiner(place)
    (place / WEIGHTS).unlink()
    with pytest.raises(LqcError, match="not a refining decoder"):
        load_refiner(place)


def test_decoding_needs_no_torch() -> None:
    code = "import cookbooks.lamquant.refine.files, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
