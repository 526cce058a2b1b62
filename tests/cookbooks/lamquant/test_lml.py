"""LML1: exact round trips, known bytes, an independent decoder, damage, and limits."""

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cookbooks.lamquant.formats.lml import structure as lml_structure
from cookbooks.lamquant.formats.lml.container import (
    BadHeader,
    CrcMismatch,
    Effort,
    LmlError,
    LmlFile,
    Truncated,
    Unsupported,
    decode_lml,
    encode_lml,
    signal_sha256,
)

VECTORS = os.environ.get("BLUT_LML_VECTORS")
RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


# -- an independent decoder: plain integers, bit strings, nothing shared with the implementation ----------


def reference_band(bits: str, at: int, k: int, count: int, taps: tuple[int, ...]) -> tuple[list[int], int]:
    residual: list[int] = []
    for _ in range(count):
        one = bits.index("1", at)
        code = ((one - at) << k) | (int(bits[one + 1 : one + 1 + k], 2) if k else 0)
        at = one + 1 + k
        value = code // 2 if code % 2 == 0 else -(code + 1) // 2
        residual.append(value + sum(residual[-32:]) // 32)
    signal: list[int] = []
    for value in residual:
        predicted = sum(c * s for c, s in zip(taps, reversed(signal), strict=False))
        signal.append(value + predicted // (1 << 27))
    return signal, -(-at // 8)


def reference_merge(low: list[int], high: list[int]) -> list[int]:
    if not high:
        return list(low)
    even = [a - (high[max(i - 1, 0)] + high[min(i, len(high) - 1)] + 2) // 4 for i, a in enumerate(low)]
    out: list[int] = []
    for i, a in enumerate(even):
        out.append(a)
        if i < len(high):
            out.append(high[i] + (a + even[min(i + 1, len(even) - 1)]) // 2)
    return out


def reference_packet(packet: bytes) -> list[list[int]]:
    body = packet[packet.index(b"\nLML1") + 5 :]
    n_channels, n_samples, depth, flags, n_meta, _n_payload, _crc = struct.unpack_from("<HHBBIII", body)
    meta, payload = body[18 : 18 + n_meta], body[18 + n_meta :]
    bits = "".join(f"{byte:08b}" for byte in payload)
    m = p = 0
    channels = []
    for _ in range(n_channels):
        signal: list[int] = []
        for band in range(depth + 1):
            order = meta[m]
            taps = struct.unpack_from(f"<{order}i", meta, m + 1)
            m += 1 + 4 * order
            k, count = struct.unpack_from("<BH", payload, p)
            values, p = reference_band(bits, 8 * (p + 3), k, count, taps)
            signal = values if band == 0 else reference_merge(signal, values)
        assert len(signal) == n_samples
        channels.append([value << (flags >> 2) for value in signal])
    return channels


def windows_of(data: bytes | bytearray) -> list[bytes]:
    n_windows, n_metadata = struct.unpack_from("<H", data, 8)[0], struct.unpack_from("<I", data, 22)[0]
    base = 32 + n_metadata + 4 * n_windows
    packets = []
    for offset in struct.unpack_from(f"<{n_windows}I", data, 32 + n_metadata):
        (length,) = struct.unpack_from("<I", data, base + offset)
        packets.append(bytes(data[base + offset + 4 : base + offset + 4 + length]))
    return packets


# -- helpers --------------------------------------------------------------------------------------------


def brainlike(n_channels: int, n_samples: int, seed: int = 0) -> np.ndarray:
    """Integer signals with a falling spectrum, a rhythm, an offset and noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples) / 250
    walk = np.cumsum(rng.normal(0, 6, (n_channels, n_samples)), axis=1)
    rhythm = 80 * np.sin(2 * np.pi * 10 * t + rng.uniform(0, 6, (n_channels, 1)))
    return np.round(walk + rhythm + 500 + rng.normal(0, 3, walk.shape)).clip(-32768, 32767).astype(np.int32)


def encode(x: np.ndarray, *, rate_hz: float = 250.0, bit_depth: int = 16, **options: Any) -> bytes:
    return encode_lml(x, rate_hz, bit_depth=bit_depth, metadata=options.pop("metadata", {}), **options)


def exact(x: np.ndarray, **options: Any) -> LmlFile:
    decoded = decode_lml(encode(x, **options))
    np.testing.assert_array_equal(decoded.digital, x)
    return decoded


def packet(
    meta: bytes,
    payload: bytes,
    *,
    channels: int = 1,
    samples: int,
    depth: int = 0,
    flags: int = 0,
    scope: str = "modern",
) -> bytes:
    head = struct.pack("<HHBBII", channels, samples, depth, flags, len(meta), len(payload))
    covered = {"modern": head + meta + payload, "legacy": meta + payload, "wrong": b"?"}[scope]
    return b"LML | hand made\nLML1" + head + struct.pack("<I", zlib.crc32(covered)) + meta + payload


def container(*packets: bytes, samples: int, channels: int = 1, metadata: bytes = b"{}") -> bytes:
    offsets, at, body = [], 0, b""
    for item in packets:
        offsets.append(at)
        body += struct.pack("<I", len(item)) + item
        at = len(body)
    head = struct.pack(
        "<4sBBHHIHIBBIHI",
        b"LML1",
        1,
        0,
        channels,
        len(packets),
        samples,
        2500,
        250000,
        16,
        0,
        len(metadata),
        0,
        0,
    )
    return head + metadata + struct.pack(f"<{len(offsets)}I", *offsets) + body


def decoded_list(data: bytes) -> list[list[int]]:
    return decode_lml(data).digital.tolist()


# -- exactness ------------------------------------------------------------------------------------------


@RELAXED
@given(
    data=st.data(),
    n_channels=st.integers(1, 5),
    n_samples=st.integers(1, 260),
    depth=st.sampled_from([8, 16, 24, 32]),
)
def test_any_integers_come_back_exactly(
    data: st.DataObject, n_channels: int, n_samples: int, depth: int
) -> None:
    limit = 1 << (depth - 1)
    seed = data.draw(st.integers(0, 2**32 - 1))
    spread = data.draw(st.sampled_from([0, 1, 7, 300, limit - 1]))
    rng = np.random.default_rng(seed)
    x = rng.integers(-spread - 1, spread + 1, (n_channels, n_samples)).clip(-limit, limit - 1)
    if data.draw(st.booleans()):
        x = np.cumsum(x, axis=1).clip(-limit, limit - 1)
    window_s = data.draw(st.sampled_from([0.001, 0.1, 0.5, 10.0]))
    exact(x, bit_depth=depth, window_s=window_s)


@pytest.mark.parametrize("n_samples", [*range(1, 20), 31, 32, 33, 63, 64, 65, 255, 2499, 2500, 2501])
def test_every_short_and_odd_length_comes_back_exactly(n_samples: int) -> None:
    exact(brainlike(2, n_samples))


@pytest.mark.parametrize("depth", [16, 24, 32])
@pytest.mark.parametrize(
    "shape", ["alternating", "step", "constant low", "constant high", "impulse", "noise"]
)
def test_extreme_values_come_back_exactly(depth: int, shape: str) -> None:
    low, high = -(1 << (depth - 1)), (1 << (depth - 1)) - 1
    x = np.zeros((3, 3001), np.int64)
    match shape:
        case "alternating":
            x[:, ::2], x[:, 1::2] = low, high
        case "step":
            x[:, :1500], x[:, 1500:] = low, high
        case "lowest":
            x[:] = low
        case "highest":
            x[:] = high
        case "impulse":
            x[0, 1234], x[1, 0], x[2, -1] = low, high, low
        case _:
            x = np.random.default_rng(1).integers(low, high, x.shape, endpoint=True)
    exact(x, bit_depth=depth)


@pytest.mark.parametrize("n_channels", [1, 2, 21, 64, 1024])
def test_one_to_1024_channels(n_channels: int) -> None:
    exact(brainlike(n_channels, 130))


def test_the_last_window_may_be_short_and_the_reader_trusts_the_packets_not_window_size() -> None:
    x = brainlike(2, 6001)
    data = bytearray(encode(x))
    assert [struct.unpack_from("<H", p, p.index(b"\nLML1") + 7)[0] for p in windows_of(data)] == [
        2500,
        2500,
        1001,
    ]
    struct.pack_into("<H", data, 14, 77)
    np.testing.assert_array_equal(decode_lml(bytes(data)).digital, x)


def test_long_windows_are_split_to_what_the_format_holds() -> None:
    decoded = exact(brainlike(1, 140_000), rate_hz=20_000.0, window_s=60.0)
    assert decoded.n_windows == 3
    assert decoded.window_size == 65535


@pytest.mark.parametrize("depth", [None, 0, 1, 2, 3])
def test_an_independent_decoder_reads_what_the_encoder_writes(depth: int | None) -> None:
    x = brainlike(3, 1500, seed=depth or 9)
    x[2] = np.random.default_rng(0).integers(-32768, 32767, 1500)
    packets = windows_of(encode(x, window_s=2.3, effort=Effort(depth=depth)))
    assert len(packets) == 3
    windows = [np.array(reference_packet(item)) for item in packets]
    assert np.concatenate(windows, axis=1).tolist() == x.tolist()


def test_the_same_recording_gives_the_same_bytes() -> None:
    x = brainlike(2, 3000)
    first = encode(x, metadata={"b": 1, "a": [2]})
    assert encode(x.astype(np.int64), metadata={"a": [2], "b": 1}) == first


def test_searching_the_depth_is_never_larger_than_a_fixed_depth_and_beats_deflate() -> None:
    x = brainlike(2, 5000)
    best = len(encode(x, effort=Effort(depth=None)))
    assert best <= min(len(encode(x, effort=Effort(depth=depth))) for depth in range(4))
    assert best < len(zlib.compress(x.astype("<i2").tobytes(), 9))


# -- known bytes ------------------------------------------------------------------------------------------


def test_golomb_rice_and_zigzag_of_known_bytes() -> None:
    # 3 -> code 6 -> 0000001; -1 -> code 1 -> 01
    assert decoded_list(container(packet(b"\0", b"\0\2\0\x02\x80", samples=2), samples=2)) == [[3, -1]]
    # k=2: 5 -> code 10 -> 001 10; -3 -> code 5 -> 01 01
    assert decoded_list(container(packet(b"\0", b"\2\2\0\x32\x80", samples=2), samples=2)) == [[5, -3]]


def test_the_running_mean_is_floored_not_truncated() -> None:
    # -1 -> 01; then floor(-1/32) = -1 is added to the coded 0 -> 1, 1
    assert decoded_list(container(packet(b"\0", b"\0\3\0\x70", samples=3), samples=3)) == [[-1, -1, -1]]


def test_the_prediction_shift_is_arithmetic() -> None:
    meta = b"\1" + struct.pack("<i", -(1 << 26))
    # 3 -> 0000001; then the residual 0 -> 1: -0.5 * 3 floors to -2
    assert decoded_list(container(packet(meta, b"\0\2\0\x03", samples=2), samples=2)) == [[3, -2]]


def test_the_inverse_lifting_of_known_bands() -> None:
    # approximation [2, 1] and detail [1]: even 2-(1+1+2>>2)=1, 1-1=0; odd 1+((1+0)>>1)=1
    low, high = b"\0\2\0" + bytes([0b00001001]), b"\0\1\0" + bytes([0b00100000])
    assert decoded_list(container(packet(b"\0\0", low + high, samples=3, depth=1), samples=3)) == [[1, 1, 0]]


def test_both_checksum_scopes_are_read_and_no_other() -> None:
    body = {"meta": b"\0", "payload": b"\0\2\0\x02\x80", "samples": 2}
    modern = decode_lml(container(packet(**body), samples=2))
    legacy = decode_lml(container(packet(**body, scope="legacy"), samples=2))
    assert (modern.legacy_crc, legacy.legacy_crc) == (False, True)
    np.testing.assert_array_equal(modern.digital, legacy.digital)
    with pytest.raises(CrcMismatch, match="window 0: packet crc32"):
        decode_lml(container(packet(**body, scope="wrong"), samples=2))


@pytest.mark.parametrize("flag", [1, 2])
def test_packet_extensions_are_refused_as_unsupported(flag: int) -> None:
    with pytest.raises(Unsupported, match=f"bit {flag - 1}"):
        decode_lml(container(packet(b"\0", b"\0\2\0\x02\x80", samples=2, flags=flag), samples=2))


def test_dropped_noise_bits_come_back_as_zeros() -> None:
    x = brainlike(2, 700)
    data = encode(x, noise_bits=5)
    decoded = decode_lml(data)
    assert decoded.noise_bits == 5
    np.testing.assert_array_equal(decoded.digital, x >> 5 << 5)
    assert b"LML | 2ch | noise | CRC-32\n" in data
    assert decoded.metadata["signal_sha256"] == signal_sha256(x)


def test_the_header_index_and_footer_are_laid_out_as_published() -> None:
    x = brainlike(3, 5600)
    data = encode(x, metadata={"source_file": "a.edf", "name": "Grüße"}, bit_depth=24)
    magic, major, _, channels, windows, total, size, rate, depth, flags, n_meta, *zero = struct.unpack_from(
        "<4sBBHHIHIBBIHI", data
    )
    assert (magic, major, channels, windows, total, size, rate, depth, flags, zero) == (
        b"LML1", 1, 3, 3, 5600, 2500, 250_000, 24, 1, [0, 0]
    )  # fmt: skip
    metadata = json.loads(data[32 : 32 + n_meta].decode("utf-8"))
    assert metadata["name"] == "Grüße"
    assert "Grüße".encode() in data
    mark, length, count, crc, table_at = struct.unpack_from("<8sIIII", data, len(data) - 32)
    assert (mark, length, count, data[-8:]) == (b"LMLFOOT1", 32, 3, bytes(8))
    assert crc == zlib.crc32(data[table_at:-32] + data[-32:-16]) ^ 0xFFFFFFFF
    first = 0
    for at, n_bytes, sample in struct.iter_unpack("<QII", data[table_at:-32]):
        assert sample == first
        assert struct.unpack_from("<I", data, at)[0] == n_bytes - 4
        assert data[at + 4 : at + n_bytes].startswith(b"LML | 3ch | lossless | CRC-32\nLML1")
        first += 2500


def test_a_file_without_footer_and_with_trailing_bytes_is_read() -> None:
    x = brainlike(2, 3000)
    data = bytearray(encode(x))
    (table_at,) = struct.unpack_from("<I", data, len(data) - 12)
    data[21] = 0
    decoded = decode_lml(bytes(data[:table_at]) + b"appended")
    assert not decoded.has_footer
    np.testing.assert_array_equal(decoded.digital, x)


def test_a_wrong_footer_is_refused() -> None:
    data = encode(brainlike(1, 300))
    with pytest.raises(CrcMismatch, match="footer"):
        decode_lml(data[:-16] + bytes([data[-16] ^ 1]) + data[-15:])
    finalised = struct.pack("<I", struct.unpack_from("<I", data, len(data) - 16)[0] ^ 0xFFFFFFFF)
    with pytest.raises(CrcMismatch, match="footer"):
        decode_lml(data[:-16] + finalised + data[-12:])


def test_metadata_and_rate_come_back() -> None:
    given_metadata = {"channels": ["Fp1", "Oz µ"], "nested": {"a": None, "b": [1, 2.5, True]}}
    decoded = exact(brainlike(2, 99), rate_hz=1000 / 3, bit_depth=24, metadata=given_metadata)
    assert decoded.rate_hz == 1000 / 3
    assert decoded.bit_depth == 24
    assert decoded.metadata["channels"] == ["Fp1", "Oz µ"]
    assert decoded.metadata["nested"] == {"a": None, "b": [1, 2.5, True]}


# -- damage -----------------------------------------------------------------------------------------------

SMALL = brainlike(2, 400)
SMALL_FILE = encode(SMALL, window_s=0.7)


def test_a_file_cut_at_any_byte_is_refused() -> None:
    for length in range(len(SMALL_FILE)):
        with pytest.raises(LmlError):
            decode_lml(SMALL_FILE[:length])
    with pytest.raises(Truncated):
        decode_lml(SMALL_FILE[:-40])


def test_one_flipped_bit_anywhere_never_changes_the_signal_unnoticed() -> None:
    refused = 0
    for bit in range(0, 8 * len(SMALL_FILE), 3):  # 3 visits every bit position of a byte
        damaged = bytearray(SMALL_FILE)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        try:
            decoded = decode_lml(bytes(damaged))
        except LmlError:
            refused += 1
            continue
        np.testing.assert_array_equal(decoded.digital, SMALL)
        assert decoded.rate_hz == 250.0
    assert refused > 8 * len(SMALL_FILE) / 3 / 2


@RELAXED
@given(st.lists(st.tuples(st.integers(0, len(SMALL_FILE) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_overwritten_bytes_give_an_error_or_the_signal(edits: list[tuple[int, int]]) -> None:
    damaged = bytearray(SMALL_FILE)
    for at, value in edits:
        damaged[at] = value
    try:
        decoded = decode_lml(bytes(damaged))
    except LmlError:
        return
    np.testing.assert_array_equal(decoded.digital, SMALL)


@RELAXED
@given(
    meta=st.binary(max_size=40),
    payload=st.binary(max_size=60),
    samples=st.integers(0, 70),
    depth=st.integers(0, 255),
)
def test_any_content_under_a_valid_checksum_gives_values_or_an_error(
    meta: bytes, payload: bytes, samples: int, depth: int
) -> None:
    data = container(packet(meta, payload, samples=samples, depth=depth), samples=max(samples, 1))
    try:
        assert decode_lml(data).digital.shape == (1, samples)
    except LmlError:
        return


@RELAXED
@given(st.binary(max_size=200))
def test_any_bytes_behind_the_magic_are_refused(tail: bytes) -> None:
    with pytest.raises(LmlError):
        decode_lml(b"LML1\x01\x00" + tail)


def test_a_small_file_cannot_announce_a_large_signal() -> None:
    data = container(packet(b"", b"\0" * 100, channels=1024, samples=65535), samples=65535, channels=1024)
    with pytest.raises(BadHeader, match="cannot fit"):
        decode_lml(data)


def test_windows_that_overlap_are_refused() -> None:
    one = packet(b"\0", b"\0\2\0\x02\x80", samples=2)
    data = bytearray(container(one, one, samples=4))
    struct.pack_into("<I", data, 32 + 2 + 4, 0)
    with pytest.raises(BadHeader, match="overlaps"):
        decode_lml(bytes(data))


@pytest.mark.parametrize(
    ("at", "value", "error", "text"),
    [
        (0, b"XML1", BadHeader, "magic"),
        (0, b"LML2", Unsupported, "LML2"),
        (4, b"\x02", Unsupported, "ver_major"),
        (6, b"\x00\x00", BadHeader, "n_channels"),
        (6, b"\x03\x00", BadHeader, "2 channels, the file has 3"),
        (8, b"\x00\x00", BadHeader, "n_windows"),
        (10, b"\x91\x01\x00\x00", BadHeader, "total_samples"),
        (16, b"\x00\x00\x00\x00", BadHeader, "sample_rate_mhz"),
        (16, b"\x00\x00\x01\x00", BadHeader, "contradicts"),
        (22, b"\xff\xff\xff\xff", BadHeader, "metadata_length"),
        (32, b"[", BadHeader, "metadata"),
    ],
)
def test_a_refusal_names_the_field(at: int, value: bytes, error: type[LmlError], text: str) -> None:
    data = SMALL_FILE[:at] + value + SMALL_FILE[at + len(value) :]
    with pytest.raises(error, match=text):
        decode_lml(data)


def test_a_signal_digest_that_does_not_fit_is_refused() -> None:
    metadata = json.dumps({"signal_sha256": "0" * 64}).encode()
    data = container(packet(b"\0", b"\0\2\0\x02\x80", samples=2), samples=2, metadata=metadata)
    with pytest.raises(CrcMismatch, match="signal_sha256"):
        decode_lml(data)


@pytest.mark.parametrize("text", ["1e999", "NaN", "-250", "1" + "0" * 400, "250.01"])
def test_a_metadata_rate_that_contradicts_the_header_is_refused(text: str) -> None:
    metadata = f'{{"sample_rate": {text}}}'.encode()
    with pytest.raises(BadHeader, match="sample_rate"):
        decode_lml(container(packet(b"\0", b"\0\2\0\x02\x80", samples=2), samples=2, metadata=metadata))


# -- arguments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": np.zeros((2, 0), np.int32)}, "0 samples"),
        ({"x": np.zeros((0, 9), np.int32)}, "0 channels"),
        ({"x": np.zeros((1025, 2), np.int32)}, "1025 channels"),
        ({"x": np.zeros((2, 9))}, "float64"),
        ({"x": np.zeros(9, np.int32)}, "channels, samples"),
        ({"x": np.full((1, 9), 40000)}, "bit_depth 16"),
        ({"bit_depth": 33}, "bit_depth"),
        ({"rate_hz": float("nan")}, "rate_hz"),
        ({"rate_hz": 0.0}, "rate_hz"),
        ({"rate_hz": 5e6}, "rate_hz"),
        ({"window_s": 0.0}, "window_s"),
        ({"noise_bits": 32}, "noise_bits"),
        ({"metadata": {"a": float("nan")}}, "metadata"),
        ({"metadata": {"a": b"bytes"}}, "metadata"),
        ({"metadata": {"a": "\ud800"}}, "metadata"),
        ({"metadata": {"a": "x" * (16 << 20)}}, "metadata"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_by_name(change: dict[str, Any], text: str) -> None:
    options = {"x": SMALL, **change}
    with pytest.raises(ValueError, match=text):
        encode(**options)


@pytest.mark.parametrize("change", [{"depth": 4}, {"max_order": 33}, {"max_order": 0}, {"trials": 0}])
def test_an_effort_outside_the_range_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Effort(**change)


# -- environment ------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.slow
def test_it_works_where_nothing_can_be_cached(tmp_path: Path) -> None:
    """A file stands where each cache directory would be made, which stops even an administrator."""
    formats = tmp_path / "cookbooks" / "lamquant" / "formats"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(__file__).parents[3] / "cookbooks/lamquant/formats", formats, ignore=ignored)
    for directory in formats.parents[:2]:
        (directory / "__init__.py").write_text("")
    blocked = formats / "lml" / "__pycache__"
    blocked.write_text("")
    script = (
        "import numpy as np\n"
        "from cookbooks.lamquant.formats.lml import encode_kernel\n"
        "from cookbooks.lamquant.formats.lml.container import decode_lml, encode_lml\n"
        "assert 'FunctionCache' not in str(encode_kernel.choose._cache)\n"
        "x = np.arange(600).reshape(2, 300) ** 2 % 977\n"
        "assert (decode_lml(encode_lml(x, 250.0, bit_depth=16, metadata={})).digital == x).all()\n"
    )
    nowhere = str(blocked / "below")
    environment = {**os.environ, "NUMBA_CACHE_DIR": nowhere, "HOME": nowhere, "XDG_CACHE_HOME": nowhere}
    environment["PYTHONPATH"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(VECTORS is None, reason="BLUT_LML_VECTORS does not name a directory of conformance files")
def test_conformance_files_decode_as_stated() -> None:
    files = sorted(Path(VECTORS or "").glob("*.lml"))
    assert files
    for path in files:
        stated = json.loads(path.with_suffix(".expected.json").read_text())
        if kind := stated["expected_error_kind"]:
            with pytest.raises({"CrcMismatch": CrcMismatch, "Truncated": Truncated}[kind]):
                decode_lml(path.read_bytes())
            continue
        decoded = decode_lml(path.read_bytes())
        assert decoded.digital.shape == (stated["n_channels"], stated["total_samples"]), path.name
        assert decoded.rate_hz == stated["sample_rate"]
        if decoded.noise_bits == 0:
            assert signal_sha256(decoded.digital) == decoded.metadata["signal_sha256"], path.name


def test_a_file_that_declares_more_than_its_bytes_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encode_lml(np.zeros((2, 4000), np.int32), 250.0, bit_depth=16, metadata={})
    assert decode_lml(data).digital.shape == (2, 4000)
    monkeypatch.setattr(lml_structure, "FREE_VALUES", 0)
    monkeypatch.setattr(lml_structure, "VALUES_A_BYTE", 1)
    with pytest.raises(BadHeader, match=rf"4000 of 2 channels in {len(data)} bytes, which hold"):
        decode_lml(data)
