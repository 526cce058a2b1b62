"""The program in C and its twin in Python write the same bytes, and every decoder reads them."""

from pathlib import Path

import numpy as np
import pytest

from cookbooks.lamquant.device.bundle import compile_bundle, encode_with
from cookbooks.lamquant.device.layout import DeviceLayout
from cookbooks.lamquant.device.tables import device_tables
from cookbooks.lamquant.device.transform import transform
from cookbooks.lamquant.device.twin import TwinResult, twin_encode
from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.lapped import analyse
from tests.cookbooks.lamquant.codec_support import eeg_like
from tests.cookbooks.lamquant.device.case import edge_signals, model_at, random_signal
from tests.cookbooks.lamquant.device.conftest import Built


def both(built: Built, ints: np.ndarray, rate_hz: float, ratio: float = 0.17) -> TwinResult:
    made = encode_with(built.bundle, ints, rate_hz, ratio)
    twin = twin_encode(model_at(built.model), built.layout, ints, rate_hz, ratio)
    assert made == twin.data
    assert decode(made, model_at(built.model)).shape == ints.shape
    return twin


@pytest.mark.parametrize("which", ["small", pytest.param("fine", marks=pytest.mark.heavy)])
def test_random_signals_give_the_same_bytes_in_c_and_in_python(which: str, request: pytest.FixtureRequest):
    built: Built = request.getfixturevalue(which)
    rng = np.random.default_rng(1)
    made = []
    for _ in range(100):
        x = random_signal(rng, int(rng.integers(1, built.layout.channels + 1)), built.layout.bits)
        made.append(both(built, x, rng.choice(built.layout.rates_hz), 2.0 ** rng.uniform(-5, 0)))
    # what the rows of 16 bits and the buffer cannot hold was met, and coarsened
    assert min(one.offsets[0] for one in made) < -8


@pytest.mark.parametrize("which", ["small", "fine"])
def test_peculiar_signals_give_the_same_bytes_in_c_and_in_python(which: str, request: pytest.FixtureRequest):
    built: Built = request.getfixturevalue(which)
    for x in edge_signals(built.layout.channels, built.layout.bits).values():
        for rate in built.layout.rates_hz:
            both(built, x, rate)


def test_a_million_samples_give_the_same_bytes_and_an_index_that_does_not_fit_is_left_out(small: Built):
    x = np.rint(eeg_like(1, 4000, 250.0, seed=3)).astype(np.int32)
    assert x.size == 1_000_000
    both(small, x, 512.0)
    assert small.layout.index_bytes < x.size // (small.layout.frames * small.layout.hop)


def test_a_chunk_that_does_not_fit_is_silent_and_the_others_are_as_they_were(small: Built):
    rng = np.random.default_rng(0)
    x = np.rint(rng.standard_normal((3, 4000)) * 3).astype(np.int32)
    loud = x.copy()
    size = small.layout.frames * small.layout.hop
    loud[:, size : 2 * size : 2] = 32767
    loud[:, size + 1 : 2 * size : 2] = -32768
    made = both(small, loud, 100.0)
    far = decode(made.data, model_at(small.model))[:, 4 * size :]
    assert np.corrcoef(far[0], loud[0, 4 * size :])[0, 1] > 0.9


@pytest.mark.parametrize("hop", [32, 64, 256, 1024])
@pytest.mark.parametrize("bits", [16, 24])
def test_the_integer_transform_is_the_exact_one_to_a_part_of_a_unit(model_dir: Path, hop: int, bits: int):
    tables = device_tables(model_at(model_dir), DeviceLayout.of(1, (250.0,), hop=hop, bits=bits, frames=4))
    rng, out = np.random.default_rng(hop), np.empty(hop, np.int64)
    for strength in (3, 300, (1 << bits) - 1):
        x = rng.integers(-strength, strength + 1, 2 * hop)
        exponent = transform(x, tables.window, tables.twiddles, tables.angles, out)
        wanted = analyse(x[None].astype(float), hop)[0, 0]
        error = np.sqrt(np.mean((out * 2.0**-exponent - wanted) ** 2))
        assert error < max(1e-3, 2e-8 * strength * np.log2(hop) * 4)


def test_the_sanitized_program_writes_the_same_bytes(fine: Built, tmp_path: Path):
    program = compile_bundle(fine.bundle, tmp_path / "sanitized", sanitized=True)
    for x in edge_signals(fine.layout.channels, fine.layout.bits).values():
        assert encode_with(fine.bundle, x, 512.0, 0.1, program=program) == encode_with(
            fine.bundle, x, 512.0, 0.1
        )


def test_what_was_written_before_the_battery_died_is_read(small: Built):
    x = np.rint(eeg_like(2, 30, 100.0, seed=4)).astype(np.int32)
    made = encode_with(small.bundle, x, 100.0, 0.1)
    read = decode(made[: len(made) // 2], model_at(small.model))
    assert 500 < read.shape[1] < x.shape[1]
    assert np.array_equal(read[:, :500], decode(made, model_at(small.model))[:, :500])
