"""Files of the first joint codec stay usable: any shape and rate, damage refused, integers exact."""

import dataclasses
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.errors import CheckpointError
from cookbooks.lamquant.codec.presets import TIERS
from cookbooks.lamquant.codec.v1.bitstream import (
    CODER_JOINT,
    Bitstream,
    BitstreamError,
    ChannelHeader,
    IntegerReader,
    IntegerWriter,
    pack,
    unpack,
)
from cookbooks.lamquant.codec.v1.checkpoint import load_first_checkpoint
from cookbooks.lamquant.codec.v1.coder import FirstRecordingCoder
from cookbooks.lamquant.codec.v1.dct import fit_anchor
from cookbooks.lamquant.codec.v1.entropy import N_SCALES, frequencies_from
from cookbooks.lamquant.codec.validation import mean_figures
from cookbooks.lamquant.lqc.rms import fast_rms
from tests.cookbooks.lamquant.codec_support import eeg_like, write_windows
from tests.cookbooks.lamquant.v1_case import write_first


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_windows(tmp_path_factory.mktemp("windows"), n_windows=12)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_first(tmp_path_factory.mktemp("codec"))


@pytest.fixture(scope="module")
def coder(checkpoint: Path) -> FirstRecordingCoder:
    return load_first_checkpoint(checkpoint).coder


@pytest.mark.parametrize(
    ("channels", "seconds", "rate_hz"),
    [
        (1, 40.0, 256.0),
        (4, 10.0, 255.0),
        (28, 0.5, 100.0),
        (3, 7.3, 128.0),
        (1, 0.01, 256.0),
        (2, 1.0, 31.25),
    ],
)
def test_any_channel_count_length_and_rate_keeps_the_promised_error(
    coder: FirstRecordingCoder, channels: int, seconds: float, rate_hz: float
) -> None:
    digital = eeg_like(channels, seconds, rate_hz, seed=3)
    data = coder.encode(digital, rate_hz)
    decoded = coder.decode(data)
    assert decoded.shape == digital.shape and decoded.dtype == np.int32
    assert unpack(data).rate_hz == rate_hz
    for original, back in zip(digital, decoded, strict=True):
        allowed = coder.tier.noise_ratio * fast_rms(original - original.mean(), rate_hz)
        assert np.sqrt(np.mean((original - back) ** 2.0)) <= max(allowed, 0.5)


def test_one_sample_constant_saturated_and_extreme_channels_survive(coder: FirstRecordingCoder) -> None:
    rng = np.random.default_rng(0)
    clipped = np.clip(eeg_like(1, 8.0, seed=4)[0] * 400, -32768, 32767)
    n = len(clipped)
    steps = np.where(np.arange(n) % 700 < 350, -(2**23), 2**23 - 1)
    digital = np.stack([np.full(n, 2048), np.full(n, -32768), clipped, steps, rng.integers(0, 2, n)])
    decoded = coder.decode(coder.encode(digital.astype(np.int32), 256.0))
    np.testing.assert_array_equal(decoded[:2], digital[:2])
    assert mean_figures([(digital[[2]], decoded[[2]])])[0] < 19
    assert mean_figures([(digital[[3]], decoded[[3]])])[0] < 19
    assert set(np.unique(decoded[4])) <= {0, 1}
    single = np.array([[7], [-3]], np.int32)
    np.testing.assert_array_equal(coder.decode(coder.encode(single, 256.0)), single)


def test_drift_and_offset_of_the_original_are_coded_not_dropped(coder: FirstRecordingCoder) -> None:
    digital = eeg_like(1, 60.0, seed=6)
    drift = np.rint(3000 * np.sin(2 * np.pi * 0.03 * np.arange(digital.shape[1]) / 256)).astype(np.int32)
    decoded = coder.decode(coder.encode(digital + drift + 5000, 256.0))
    assert np.sqrt(np.mean((decoded - digital - drift - 5000) ** 2.0)) < 0.2 * digital.std()


def test_a_higher_tier_spends_more_bytes_for_less_error(checkpoint: Path) -> None:
    sizes, errors = [], []
    digital = eeg_like(1, 30.0, seed=7)
    for tier in (1, 2, 3, 4):
        coder = load_first_checkpoint(checkpoint).coder
        coder.tier = TIERS[tier]
        data = coder.encode(digital, 256.0)
        sizes.append(len(data))
        errors.append(float(np.mean((coder.decode(data) - digital) ** 2.0)))
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)


def test_every_damaged_byte_and_every_truncation_is_refused(coder: FirstRecordingCoder) -> None:
    data = coder.encode(eeg_like(1, 3.0, seed=8), 256.0)
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0x20
        with pytest.raises(BitstreamError):
            coder.decode(bytes(damaged))
    for length in (0, 3, 10, 25, len(data) - 1):
        with pytest.raises(BitstreamError):
            coder.decode(data[:length])


def test_a_header_with_a_valid_checksum_but_impossible_values_is_refused(coder: FirstRecordingCoder) -> None:
    data = bytearray(coder.encode(eeg_like(1, 3.0, seed=8), 256.0))

    def sealed(change: bytearray) -> bytes:
        return bytes(change[:-4]) + struct.pack("<I", zlib.crc32(bytes(change[:-4])))

    for position, value in ((4, 9), (5, 2), (22, 0xFF)):
        change = bytearray(data)
        change[position] = value
        with pytest.raises(BitstreamError):
            coder.decode(sealed(change))


def test_a_file_of_another_checkpoint_is_refused(coder: FirstRecordingCoder, tmp_path: Path) -> None:
    other = load_first_checkpoint(write_first(tmp_path, 2)).coder
    data = coder.encode(eeg_like(1, 3.0), 256.0)
    with pytest.raises(BitstreamError, match=coder.digest.hex()):
        other.decode(data)


def test_a_checkpoint_with_missing_unexpected_or_changed_weights_is_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    import hashlib
    import json

    from safetensors.numpy import load, save

    tensors = load((checkpoint / "model.safetensors").read_bytes())
    description = json.loads((checkpoint / "model.json").read_text())
    extra = {**tensors, "surprise": np.zeros(3, np.float32)}
    missing = {name: value for name, value in tensors.items() if name != "synthesis"}
    for number, (changed, word) in enumerate([(extra, "surprise"), (missing, "synthesis")]):
        directory = tmp_path / str(number)
        directory.mkdir()
        weights = save(changed)
        (directory / "model.safetensors").write_bytes(weights)
        sha256 = hashlib.sha256(weights).hexdigest()
        (directory / "model.json").write_text(json.dumps(description | {"weights_sha256": sha256}))
        with pytest.raises(CheckpointError, match=word):
            load_first_checkpoint(directory)
    copied = tmp_path / "copied"
    shutil.copytree(checkpoint, copied)
    damaged = bytearray((copied / "model.safetensors").read_bytes())
    damaged[-5] ^= 1
    (copied / "model.safetensors").write_bytes(damaged)
    with pytest.raises(CheckpointError, match="sha256"):
        load_first_checkpoint(copied)


def test_integers_of_any_size_come_back_from_the_range_coder() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([np.arange(-40, 41), [10**6, -(10**6), 2**20], rng.integers(-9, 9, 500)])
    values = values.astype(np.int32)
    tables = rng.integers(0, N_SCALES, len(values)).astype(np.uint8)
    frequencies = frequencies_from(np.zeros((N_SCALES, 16)))
    writer = IntegerWriter(frequencies)
    writer.write(values, tables)
    reader = IntegerReader(writer.words(), frequencies)
    assert [reader.read(c) for c in tables.tolist()] == values.tolist()


def test_the_dct_anchor_round_trips_at_the_error_it_is_given(
    windows: Path, coder: FirstRecordingCoder
) -> None:
    anchor = fit_anchor(load_corpus(windows))
    digital = np.concatenate([eeg_like(2, 30.0, seed=10), np.full((1, 7680), 5)]).astype(np.int32)
    allowed = [12.0, 30.0, 1.0]
    data = anchor.encode(digital, 256.0, allowed)
    decoded = anchor.decode(data)
    for original, back, bound in zip(digital, decoded, allowed, strict=True):
        assert np.sqrt(np.mean((original - back) ** 2.0)) <= bound
    with pytest.raises(BitstreamError, match="joint codec"):
        coder.decode(data)


def test_a_file_that_declares_what_it_cannot_hold_is_refused_before_memory_is_asked_for() -> None:
    none = np.zeros(0, np.uint32)
    flat = Bitstream(CODER_JOINT, bytes(8), 256.0, 2**31, [ChannelHeader(0, 0)], none)
    with pytest.raises(BitstreamError, match=r"1 channels x 2147483648 samples are declared in \d+ bytes"):
        unpack(pack(flat))
    assert unpack(pack(dataclasses.replace(flat, n_samples=2**20))).n_samples == 2**20
