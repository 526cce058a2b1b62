"""Recordings become files and integers again: what is promised is kept, whatever they hold."""

import gc
import io
import math
import os
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader, Gap
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.decode import Decoder, decode
from cookbooks.lamquant.lqc.encode import encode, encode_stream
from cookbooks.lamquant.lqc.errors import ChunkError, InputError, ModelError
from cookbooks.lamquant.lqc.rms import fast_rms
from cookbooks.lamquant.lqc.signals import SignalSource, array_signal
from cookbooks.lamquant.lqc.targets import Bitrate, Cr, MaxError, NoiseRatio, Prdn, Target, parse_target
from tests.cookbooks.lamquant.codec_support import eeg_like
from tests.cookbooks.lamquant.lqc.recording_case import related, small_model

MODEL = small_model()


def errors(x: np.ndarray, back: np.ndarray) -> np.ndarray:
    """The RMS error of each channel."""
    return np.sqrt(np.mean((back - x.astype(float)) ** 2, axis=1))


def here() -> dict[str, str]:
    """The environment of a process that finds this code from another directory."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize(
    ("channels", "seconds", "rate_hz"),
    [
        (1, 40.0, 256.0),
        (4, 10.0, 255.0),
        (28, 10.0, 100.0),
        (3, 7.3, 128.0),
        (2, 3.0, 31.25),
        (1, 2.0, 5000.0),
    ],
)
def test_any_channel_count_length_and_rate_keeps_the_promised_error(channels, seconds, rate_hz) -> None:
    x = related(channels, seconds, rate_hz, seed=3)
    back = decode(encode(x, rate_hz, MODEL, NoiseRatio(0.2)), MODEL)
    assert back.shape == x.shape and back.dtype == np.int32
    allowed = [0.2 * fast_rms(one - one.mean(), rate_hz) for one in x]
    assert (errors(x, back) <= allowed).all()
    assert x.size < 1000 or (errors(x, back) >= 0.85 * np.array(allowed)).mean() > 0.7


@pytest.mark.parametrize("percent", [10.0, 14.0, 19.0])
def test_prdn_is_kept_by_every_channel_and_nearly_used_up(percent: float) -> None:
    x = related(5, 60.0, seed=4)
    back = decode(encode(x, 256.0, MODEL, Prdn(percent)), MODEL)
    each = 100 * errors(x, back) / x.std(1)
    assert each.max() <= percent and each.mean() > 0.92 * percent


def test_a_channel_that_differs_from_all_others_keeps_its_prdn_too() -> None:
    x = related(4, 60.0, seed=4)
    x[3] = np.where(np.arange(x.shape[1]) > 7000, 10**5, 0)
    back = decode(encode(x, 256.0, MODEL, Prdn(15.0)), MODEL)
    assert (100 * errors(x, back) / x.std(1)).max() <= 15


@pytest.mark.parametrize("ratio", [7.0, 12.0, 20.0])
def test_the_file_is_as_small_as_was_asked_and_no_smaller_than_need_be(ratio: float) -> None:
    x = related(3, 60.0, seed=5)
    size = len(encode(x, 256.0, MODEL, Cr(ratio)))
    assert 0.97 * ratio * size <= x.size * 2 <= ratio * size * 1.07 and x.size * 2 >= ratio * size
    twelve = len(encode(x, 256.0, MODEL, Cr(ratio, raw_bits=12)))
    assert x.size * 1.5 >= ratio * twelve > 0.9 * x.size * 1.5
    rate = Bitrate(8 * x.size * 2 / ratio / 60)
    assert 0.93 * size <= len(encode(x, 256.0, MODEL, rate)) <= x.size * 2 / ratio


def test_a_size_that_exact_channels_alone_exceed_is_refused() -> None:
    x = np.random.default_rng(2).integers(0, 2, (2, 9000)).astype(np.int32)
    assert len(encode(x, 256.0, MODEL, Cr(10.0))) <= x.size * 2 / 10
    for target in (Cr(20.0), Bitrate(100.0)):
        with pytest.raises(InputError, match=f"{target.name} asks for fewer bytes than .* takes 2"):
            encode(x, 256.0, MODEL, target)


@pytest.mark.parametrize("bound", [0, 1, 7])
def test_a_bounded_error_needs_no_model(bound: int) -> None:
    x = related(3, 30.0, seed=6)
    data = encode(x, 256.0, target=MaxError(bound))
    assert np.abs(decode(data) - x).max() == bound
    assert len(data) < len(encode(x, 256.0, target=MaxError(max(0, bound - 1)))) or bound == 0


def test_constant_saturated_binary_and_extreme_channels_survive() -> None:
    rng = np.random.default_rng(0)
    clipped = np.clip(eeg_like(1, 30.0, seed=4)[0] * 400, -32768, 32767)
    n = len(clipped)
    steps = np.where(np.arange(n) % 700 < 350, -(2**23), 2**23 - 1)
    ends = np.where(np.arange(n) % 500 < 250, -(2**31), 2**31 - 1)
    x = np.stack([np.full(n, 2048), np.full(n, -(2**31)), clipped, steps, rng.integers(0, 2, n), ends])
    x = x.astype(np.int64).astype(np.int32)
    back = decode(encode(x, 256.0, MODEL, NoiseRatio(0.2)), MODEL)
    np.testing.assert_array_equal(back[[0, 1, 4]], x[[0, 1, 4]])
    assert (errors(x, back)[[2, 3, 5]] <= 0.2 * x[[2, 3, 5]].astype(float).std(1)).all()
    assert back.min(1).tolist() >= x.min(1).tolist() and back.max(1).tolist() <= x.max(1).tolist()


@pytest.mark.parametrize("target", [MaxError(0), NoiseRatio(0.2), Prdn(20.0), Cr(4.0)])
@pytest.mark.parametrize("n", [1, 2, 3, 17])
def test_a_few_samples_and_all_constant_ones_come_back(target: Target, n: int) -> None:
    x = np.array([[7] * n, [-3] * n], np.int32)
    channels = ["a", "b"]
    np.testing.assert_array_equal(decode(encode(x, 256.0, MODEL, target, channels=channels), MODEL), x)
    x[0, n // 2] = 9
    back = decode(encode(x, 256.0, MODEL, NoiseRatio(0.2), channels=channels), MODEL)
    assert np.abs(back - x).max() <= 1


def test_a_lossy_file_is_never_larger_than_the_exact_one() -> None:
    x = eeg_like(2, 30.0, seed=7) // 40
    exact = len(encode(x, 256.0))
    for target in (NoiseRatio(0.1), Prdn(9.0), NoiseRatio(0.02)):
        try:
            assert len(encode(x, 256.0, MODEL, target)) <= exact
        except InputError as error:
            assert "max_error" in str(error)


@pytest.mark.parametrize("target", [NoiseRatio(0.2), MaxError(0), Cr(12.0)])
def test_the_bytes_do_not_depend_on_the_number_of_threads(target: Target) -> None:
    x = related(4, 400.0, seed=8)
    one, three = (encode(x, 256.0, MODEL, target, threads=threads) for threads in (1, 3))
    assert one == three
    np.testing.assert_array_equal(decode(one, MODEL, threads=1), decode(one, MODEL, threads=3))


def test_no_temporary_file_is_left_open() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        encode(related(2, 60.0), 256.0, MODEL, Prdn(15.0))
        gc.collect()
    assert [str(one.message) for one in told] == []


def test_files_are_coded_where_the_system_lacks_what_linux_has(tmp_path) -> None:
    x = related(2, 20.0)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import os, sys\nfor name in ('sched_getaffinity', 'pread'): delattr(os, name)\n"
        "sys.modules['fcntl'] = None\n"
        "import numpy as np\nfrom cookbooks.lamquant.lqc.decode import Decoder\n"
        "from cookbooks.lamquant.lqc.encode import encode\nx = np.load('x.npy')\n"
        "open('x.lqc', 'wb').write(encode(x, 256.0))\n"
        "assert (Decoder('x.lqc').read_all() == x).all()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=here(), check=True)


@pytest.fixture(scope="module")
def long() -> tuple[np.ndarray, bytes]:
    """Ten minutes of three channels, two of them lapped: several chunks of both kinds."""
    x = related(3, 600.0, seed=9)
    x[1] = np.random.default_rng(1).integers(0, 2, x.shape[1])
    return x, encode(x, 256.0, MODEL, NoiseRatio(0.25))


def test_any_stretch_is_what_the_whole_has_there(long) -> None:
    x, data = long
    decoder = Decoder(data, MODEL, threads=1)
    assert [group.mode for group in decoder.header.groups] == ["lapped", "exact"]
    whole = decoder.read(0, decoder.n_samples)
    np.testing.assert_array_equal(whole[1], x[1])
    group = decoder.header.groups[0]
    edge = group.per_chunk * group.hop
    assert x.shape[1] > 2 * edge
    rng = np.random.default_rng(2)
    stretches = [(0, 1), (x.shape[1] - 1, x.shape[1]), (edge - group.hop, edge), (edge - 1, edge + 1), (5, 5)]
    stretches += [tuple(sorted(rng.integers(0, x.shape[1], 2).tolist())) for _ in range(20)]
    for start, stop in stretches:
        np.testing.assert_array_equal(Decoder(data, MODEL).read(start, stop), whole[:, start:stop])
        np.testing.assert_array_equal(decoder.read(start, stop), whole[:, start:stop])
    np.testing.assert_array_equal(decoder.read_seconds(10, 11), whole[:, 2560:2816])
    np.testing.assert_array_equal(np.concatenate(list(decoder.blocks(samples=9999)), 1), whole)
    for start, stop in ((-1, 5), (5, 4), (0, x.shape[1] + 1)):
        with pytest.raises(InputError, match=f"samples {start} to {stop}"):
            decoder.read(start, stop)


def test_a_flipped_byte_costs_one_chunk_which_is_refused_or_marked(long) -> None:
    x, data = long
    whole = decode(data, MODEL)
    damaged = bytearray(data)
    with ChunkReader(data) as reader:
        damaged[data.index(reader.chunk(0, 1)) + 30] ^= 1
    with pytest.raises(ChunkError, match="group 0, chunk 1"):
        decode(bytes(damaged), MODEL)
    # a second needs no chunk but those that it lies in
    np.testing.assert_array_equal(Decoder(bytes(damaged), MODEL).read_seconds(1, 2), whole[:, 256:512])
    decoder = Decoder(bytes(damaged), MODEL, damaged="mark")
    back = decoder.read(0, decoder.n_samples)
    ((start, stop),) = decoder.damaged_ranges()
    group = decoder.header.groups[0]
    assert stop - start == (group.per_chunk + 1) * group.hop
    differs = np.flatnonzero((back != whole).any(0))
    assert start <= differs.min() and differs.max() < stop
    assert np.abs(back[0, start + group.hop : stop - group.hop] - x[0].mean()).max() <= 1


def test_a_gap_lies_in_every_group_of_its_signal() -> None:
    x = related(2, 60.0)
    x[1] = np.random.default_rng(1).integers(0, 2, x.shape[1])
    signals, out = [array_signal(x, 256.0), array_signal(x[:1, :600], 10.0, ["slow"])], io.BytesIO()
    encode_stream(
        signals, out, MODEL, Prdn(15.0), about=FileHeader((), gaps=(Gap(2560, 5.0), Gap(100, 5.0, 1)))
    )
    header = Decoder(out.getvalue(), MODEL).header
    assert [group.mode for group in header.groups[:2]] == ["lapped", "exact"]
    assert [header.seconds(group, 5120) for group in (0, 1)] == [25.0, 25.0]
    assert header.seconds(2, 200) == 25.0


def test_signals_of_one_rate_have_one_length() -> None:
    x, out = related(3, 20.0), io.BytesIO()
    encode_stream([array_signal(x[:2], 256.0), array_signal(x[2:], 256.0, ["other"])], out)
    decoder = Decoder(out.getvalue())
    assert (decoder.n_samples, decoder.rate_hz, len(decoder.signals)) == (x.shape[1], 256.0, 2)
    assert np.array_equal(decoder.read(0, decoder.n_samples, 1), x[2:])
    with pytest.raises(InputError, match="2 signals: see signals"):
        decode(out.getvalue())


def test_signals_of_several_rates_are_read_by_ranges_and_lie_in_one_file() -> None:
    arrays = [(related(2, 300.0, 128.0, 1), 128.0), (related(3, 300.0, 64.0, 2), 64.0)]
    asked: list[tuple[int, int]] = []

    def signal(x: np.ndarray, rate_hz: float) -> SignalSource:
        def read(start: int, stop: int) -> np.ndarray:
            asked.append((start, stop))
            return x[:, start:stop]

        return SignalSource(
            rate_hz, x.shape[1], tuple(ChannelFacts(label=f"{rate_hz}/{c}") for c in range(len(x))), read
        )

    for target in (NoiseRatio(0.2), Cr(9.0), MaxError(2)):
        out, told = io.BytesIO(), list[tuple[int, int]]()
        signals = [signal(*one) for one in arrays]

        def hear(done: int, of: int, told: list[tuple[int, int]] = told) -> None:
            told.append((done, of))

        made = encode_stream(signals, out, MODEL, target, progress=hear)
        assert made.n_bytes == len(out.getvalue())
        assert told == sorted(told) and told[-1][0] == told[-1][1]
        decoder = Decoder(out.getvalue(), MODEL)
        assert [one.rate_hz for one in decoder.signals] == [128.0, 64.0]
        assert decoder.signals[1].channels[2].label == "64.0/2"
        for number, (x, _) in enumerate(arrays):
            back = decoder.read_all(number)
            assert np.abs(back - x).max() <= made.max_error
            assert (100 * errors(x, back) / x.std(1)).max() <= made.prdn + 1e-6
        with pytest.raises(InputError, match=r"2 signals \(128 Hz, 64 Hz\)"):
            _ = decoder.rate_hz
    assert max(stop - start for start, stop in asked) < 2**20


REFUSED: list[tuple[Any, str]] = [
    (np.zeros((7680, 1), np.int32), r"shape \(7680, 1\), more channels than samples: .*x\.T"),
    (np.zeros((100, 28), np.int16), r"\[channels, samples\]"),
    (np.zeros(100, np.int32), r"shape \(100,\).*x\[None, :\]"),
    (np.zeros((2, 3, 100), np.int32), r"shape \(2, 3, 100\)"),
    (np.zeros((2, 0), np.int32), "not empty"),
    (np.zeros((2, 100)), "float64: must be the recorder's integers .* microvolts"),
    (np.zeros((2, 100), np.float32), "float32"),
    (np.zeros((2, 100), bool), "bool"),
    (np.zeros((2, 100), complex), "complex128"),
    (np.zeros((2, 100), object), "object"),
    (np.full((2, 100), 2**31), "2147483648 .*32 bits"),
    ([[1, 2, 3]], "list"),
]


@pytest.mark.parametrize(("x", "told"), REFUSED)
def test_other_shapes_types_and_units_are_refused_by_what_is_meant(x: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        encode(x, 256.0)


def test_what_cannot_be_is_refused_with_the_remedy() -> None:
    x = related(2, 20.0)
    with pytest.raises(InputError, match="prdn needs a model"):
        encode(x, 256.0, target=Prdn(10.0))
    for rate in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="rate_hz"):
            encode(x, rate)
    with pytest.raises(InputError, match="3 channels are described"):
        encode(x, 256.0, channels=["a", "b", "c"])
    data = encode(x, 256.0, MODEL, Prdn(15.0))
    with pytest.raises(ModelError, match=MODEL.digest.hex()):
        decode(data)
    with pytest.raises(ModelError, match="0101.*|" + MODEL.digest.hex()):
        decode(data, small_model(1))
    for text in ("prdn", "prdn=", "prdn=x", "prdn=-1", "prdn=nan", "max_error=1.5", "max_error=-1", "psnr=3"):
        with pytest.raises(InputError, match="target"):
            parse_target(text)
    with pytest.raises(InputError, match=r"target=15.0: must be one of Prdn, .* such as Prdn\(15\)"):
        encode(related(2, 4.0, seed=1), 256.0, MODEL, 15.0)  # type: ignore[arg-type]
    assert parse_target("max-error=2") == MaxError(2) and parse_target("cr=20") == Cr(20.0)


def test_targets_outside_of_what_was_trained_are_refused_or_clamped_and_said() -> None:
    x = related(2, 60.0, seed=11)
    with pytest.raises(InputError, match=r"prdn needs level .* trained for 8 to 20: .*max_error"):
        encode(x, 256.0, MODEL, Prdn(1.0))
    with pytest.raises(InputError, match=r"cr (needs level|asks for fewer bytes).*ask for a smaller cr"):
        encode(x, 256.0, MODEL, Cr(2000.0))
    with pytest.warns(UserWarning, match="allows more error .* level 8, the coarsest"):
        data = encode(x, 256.0, MODEL, Prdn(95.0))
    assert 15 < 100 * (errors(x, decode(data, MODEL)) / x.std(1)).max() < 95
    exact = len(encode(x, 256.0))
    with pytest.warns(UserWarning, match=r"cr is finer than the model was trained for .*--max-error N"):
        data = encode(x, 256.0, MODEL, Cr(2 * x.size / (0.97 * exact)))
    assert len(data) < 0.97 * exact
    for target in (Cr(1.01), Bitrate(8.2 * exact / 60)):
        with pytest.warns(UserWarning, match=f"{target.name} allows all samples .* without loss"):
            data = encode(x, 256.0, MODEL, target)
        np.testing.assert_array_equal(decode(data, MODEL), x)


def test_the_device_profile_sees_a_recording_once_and_knows_nothing_of_what_comes() -> None:
    x = related(2, 300.0, seed=12)
    x[0, :30000] //= 3
    asked = list[tuple[int, int]]()

    def read(start: int, stop: int) -> np.ndarray:
        asked.append((start, stop))
        return x[:, start:stop]

    scaled = ChannelFacts("Cz", "uV", -3276.8, 3276.7, -32768, 32767)
    about = (scaled, ChannelFacts())
    out = io.BytesIO()
    made = encode_stream(
        [SignalSource(256.0, x.shape[1], about, read)], out, MODEL, NoiseRatio(0.2), profile="device"
    )
    assert any("not promised" in note for note in made.notes)
    assert [start for start, _ in asked] == sorted(start for start, _ in asked)
    assert sum(stop - start for start, stop in asked) < 1.1 * x.shape[1]
    decoder = Decoder(out.getvalue(), MODEL)
    (group,) = decoder.header.groups
    assert (group.profile, group.hop) == ("device", 256)
    first, second = group.channels
    assert (first.low, first.high, first.dc) == (-32768, 32767, x[0, 0])
    assert (second.low, second.high, second.dc) == (-(2**31), 2**31 - 1, x[1, 0])
    back = decoder.read(0, x.shape[1])
    late = slice(-20000, None)
    for one, error in zip(x, errors(x[:, late], back[:, late]), strict=True):
        assert 0.15 < error / fast_rms(one[late] - one[late].mean(), 256.0) < 0.25
    assert abs(100 * (errors(x, back) / x.std(1)).max() - made.prdn) < 1e-6
    # what was written of the first half does not depend on the second
    half = io.BytesIO()
    encode_stream(
        [SignalSource(256.0, 38400, about, read)], half, MODEL, NoiseRatio(0.2), profile="device", threads=2
    )
    chunk = ChunkReader(half.getvalue()).chunk(0, 0)
    assert chunk == ChunkReader(out.getvalue()).chunk(0, 0)
    with pytest.raises(InputError, match=r"prdn with profile device.*use noise_ratio"):
        encode(x, 256.0, MODEL, Prdn(15.0), profile="device")
