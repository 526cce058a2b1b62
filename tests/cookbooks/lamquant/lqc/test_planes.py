"""Planes of coefficients become bytes and the same planes again, whatever they hold or is broken."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.lqc_files import made_net
from cookbooks.lamquant.lqc.context import MAX_MAGNITUDE, N_FEATURES, features_of
from cookbooks.lamquant.lqc.entropy import EntropyModel, calibrate, choose_static
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.levels import N_LEVELS
from cookbooks.lamquant.lqc.planes import PROFILES, decode_planes, encode_planes
from tests.cookbooks.lamquant.lqc.plane_case import model_of, planes_of, spec_of

MODEL = cache(model_of)


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 2, 5, 64]),
    st.integers(1, 7),
    st.sampled_from([1, 2, 16, 64]),
    st.integers(0, N_LEVELS - 1),
    st.sampled_from([0.0, 0.2, 1.0, 30.0, 1e4, 1e7]),
    st.booleans(),
    st.integers(0, 1000),
)
def test_what_is_decoded_is_what_the_encoder_said(profile, planes, frames, hop, level, size, moving, seed):
    y, spec = planes_of(planes, frames, hop, seed, size)
    rng = np.random.default_rng(seed)
    offsets = rng.integers(-128, 128, frames) if moving else np.zeros(frames)
    spec = replace(spec, levels=np.full(planes, level, np.uint8), offsets=offsets.astype(np.int8))
    coded = encode_planes(y, spec, MODEL(), 0.13, profile)
    assert np.array_equal(decode_planes(coded.data, y.shape, spec, MODEL(), profile), coded.recon)
    near = np.abs(y) < MAX_MAGNITUDE / 2
    assert np.abs(coded.recon - y)[near].max(initial=0) < 2.5
    if size == 0:
        assert len(coded.data) == planes


@pytest.mark.parametrize("profile", PROFILES)
def test_bytes_are_few_where_little_is_said(profile):
    y, spec = planes_of(4, 60, 64)
    sizes = [len(encode_planes(y * s, spec, MODEL(), 0.13, profile).data) for s in (0.05, 0.3, 1.0, 4.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 60
    one = np.zeros_like(y)
    one[2, 7, 3] = 1.0
    assert len(encode_planes(one, spec, MODEL(), 0.0, profile).data) < 30


def test_coding_costs_what_the_tables_say():
    y, spec = planes_of(1, 4000, 128, size=0.05)
    y[0, 7, 127] = 1.0
    _, _, bits = choose_static(y, spec, MODEL().net, MODEL().starts, 0.13)
    assert len(encode_planes(y, spec, MODEL(), 0.13, "device").data) < bits / 8 + 8


@pytest.mark.parametrize("profile", PROFILES)
def test_a_higher_price_of_bits_spends_fewer(profile):
    y, spec = planes_of(3, 40, 64)
    cheap, dear = (encode_planes(y, spec, MODEL(), lam, profile) for lam in (0.05, 0.4))
    assert len(dear.data) < 0.9 * len(cheap.data)
    assert np.mean((dear.recon - y) ** 2) > np.mean((cheap.recon - y) ** 2)


@pytest.mark.parametrize("profile", PROFILES)
def test_frames_with_a_step_of_their_own_know_their_neighbours(profile):
    # the signal is the same throughout: only the steps change, and the contexts are restated in them
    y, spec = planes_of(2, 120, 64, size=6.0)
    offsets = np.where(np.arange(120) // 4 % 2, 12, -12).astype(np.int8)
    moved = y * 2.0 ** (offsets[None, :, None] / 4)
    together = len(encode_planes(moved, replace(spec, offsets=offsets), MODEL(), 0.13, profile).data)
    unsaid = len(encode_planes(moved, spec, MODEL(), 0.13, profile).data)
    assert together < unsaid


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["flip", "cut", "noise"]))
def test_damaged_bytes_give_values_or_an_error(profile, seed, damage):
    y, spec = planes_of(3, 9, 32, 1)
    data = bytearray(encode_planes(y, spec, MODEL(), 0.13, profile).data)
    rng = np.random.default_rng(seed)
    if damage == "flip":
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif damage == "cut":
        data = data[: rng.integers(len(data))]
    else:
        data = bytearray(rng.bytes(int(rng.integers(0, 400))))
    try:
        got = decode_planes(bytes(data), y.shape, spec, MODEL(), profile)
    except LqcError:
        return
    assert got.shape == y.shape and np.isfinite(got).all()


def test_a_number_of_bins_that_cannot_be_is_refused():
    spec = spec_of(1, 4, 16)
    for data, word in ((b"\x11", "is 17"), (b"", "end"), (b"\xff" * 4 + b"\x01", "16")):
        with pytest.raises(LqcError, match=word):
            decode_planes(data, (1, 4, 16), spec, MODEL(), "full")


def test_what_cannot_be_coded_is_refused():
    y, spec = planes_of(2, 5, 16)
    with pytest.raises(LqcError, match="shape"):
        encode_planes(y[:1], spec, MODEL(), 0.13, "full")
    with pytest.raises(LqcError, match="profile='fast'"):
        encode_planes(y, spec, MODEL(), 0.13, "fast")  # type: ignore[arg-type]
    y[1, 2, 3] = np.nan
    with pytest.raises(LqcError, match="finite"):
        encode_planes(y, spec, MODEL(), 0.13, "full")


def test_features_of_a_batch_are_those_that_the_coder_sees():
    y, spec = planes_of(1, 40, 48, size=5.0)
    for feature in range(N_FEATURES):
        net = made_net(1)._replace(**{name: np.zeros_like(a) for name, a in made_net(1)._asdict().items()})
        net.w1[feature, 0] = net.w2[0, 0] = net.w3[0] = 1024
        q, tables, _ = choose_static(y, spec, net, MODEL().starts, 0.13)
        said = features_of(np.abs(q))[..., feature].astype(int) + 80
        seen = tables > 0
        assert seen[..., :8].all()
        assert np.array_equal(tables[seen], np.minimum((said + 2) // 4, 63)[seen])


def test_counting_on_training_planes_pays():
    y, spec = planes_of(4, 80, 64)
    fresh = calibrate(made_net(), [], 0.13, 0)
    fitted = calibrate(made_net(), [planes_of(4, 80, 64, seed=5)], 0.13)
    sizes = [len(encode_planes(y, spec, model, 0.13, "device").data) for model in (fresh, fitted)]
    assert sizes[1] < sizes[0]


def test_a_model_survives_its_arrays_and_a_damaged_one_is_refused():
    arrays = MODEL().as_arrays()
    y, spec = planes_of(2, 9, 16)
    back = EntropyModel.from_arrays(arrays)
    for profile in PROFILES:
        whole = encode_planes(y, spec, MODEL(), 0.13, profile).data
        assert encode_planes(y, spec, back, 0.13, profile).data == whole
    for name in arrays:
        with pytest.raises(LqcError, match=name):
            EntropyModel.from_arrays({key: a for key, a in arrays.items() if key != name})
        with pytest.raises(LqcError, match="shape"):
            EntropyModel.from_arrays(arrays | {name: arrays[name][..., :0]})
    with pytest.raises(LqcError, match="starts"):
        EntropyModel.from_arrays(arrays | {"starts": np.zeros_like(arrays["starts"])})
