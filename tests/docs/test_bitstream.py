"""What the page on the file format says is what the files are."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.lqc_files import made_model, signal, small_files
from cookbooks.lamquant.lqc.container import header, layout, records, text, walk
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.decode import decode
from cookbooks.lamquant.lqc.exact import decode_exact, encode_exact
from cookbooks.lamquant.lqc.mixing import SQUASH, STRETCH
from cookbooks.lamquant.lqc.model import DESCRIPTION, DIGEST_BYTES, SCHEMA, WEIGHTS
from tests.conftest import REPOSITORY
from tests.docs.pages import blocks

PAGE = (REPOSITORY / "docs/bitstream.md").read_text()


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in blocks("python"):
        if block.page == "docs/bitstream.md":
            exec(block.text, names)
    return names


@pytest.mark.parametrize("kind", range(5))
def test_the_program_on_the_page_reads_every_kind_of_file(kind: int, program: dict[str, Any]) -> None:
    data = list(small_files(made_model()).values())[kind]
    reader = ChunkReader(data)
    found = {(group, number): content for group, number, content in program["chunks"](data)}
    expected = {
        (group, number): reader.chunk(group, number)
        for group in range(len(reader.header.groups))
        for number in range(reader.n_chunks(group))
    }
    assert found == expected and len(found) > 3
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    with pytest.raises(ValueError, match="is damaged"):
        list(program["chunks"](bytes(damaged)))


@pytest.mark.parametrize(
    ("channels", "samples", "bound"),
    [(1, 600, 0), (2, 200, [0, 90]), (5, 60, 2)],
)
def test_the_program_on_the_page_decodes_exact_chunks(
    channels: int, samples: int, bound: int | list[int], program: dict[str, Any]
) -> None:
    x = signal(channels, samples, 3) * 7
    x[:, samples // 2 :] += 1 << 20  # far beyond the symbols, and a step that shifts the past
    x[0, samples // 3 :: 2] *= 300  # wide enough for plain bits
    data = encode_exact(x, bound)
    found = np.array(program["exact"](data, channels, samples))
    np.testing.assert_array_equal(found, decode_exact(data, channels, samples))
    assert np.all(np.abs(found - x).max(1) <= bound)


def test_the_chunks_on_the_page_are_decoded_to_the_samples_beside_them(program: dict[str, Any]) -> None:
    shown = re.findall(r"^channels (\d+), samples (\d+): ([0-9a-f]+)\n([-\d \n]+)", PAGE, re.MULTILINE)
    assert len(shown) == 2
    for channels, samples, code, rows in shown:
        expected = np.array(rows.split(), int).reshape(int(channels), int(samples))
        data = bytes.fromhex(code)
        np.testing.assert_array_equal(decode_exact(data, *expected.shape), expected)
        np.testing.assert_array_equal(program["exact"](data, *expected.shape), expected)


def test_the_arrays_on_the_page_are_those_of_a_model() -> None:
    arrays = made_model().entropy.as_arrays()
    width = str(len(arrays["net.b2"]))
    said = re.findall(r"^\| `entropy\.(\S+)` \| (.*?) \|", PAGE, re.MULTILINE)
    assert {name: shape.replace("H", width) for name, shape in said} == {
        name: ", ".join(map(str, array.shape)) for name, array in arrays.items()
    }
    assert SCHEMA in PAGE and WEIGHTS in PAGE and DESCRIPTION in PAGE
    assert f"the first {DIGEST_BYTES} of its 32 bytes" in PAGE


def test_of_the_counters_of_signs_only_those_that_the_page_names_count() -> None:
    assert "the counter `6 k + 5` of `mixture.signs`" in PAGE
    data, model = small_files(made_model())["lapped full"], made_model()
    expected = decode(data, model)
    for used in (False, True):
        signs = np.where((np.arange(72) % 6 == 5) == used, 1 << 28, model.entropy.mixture.signs).astype(
            np.int32
        )
        mixture = model.entropy.mixture._replace(signs=signs)
        other = replace(model, entropy=replace(model.entropy, mixture=mixture))
        assert np.array_equal(decode(data, other), expected) != used


def test_no_entry_of_a_table_is_as_near_to_a_half_as_the_page_says() -> None:
    logit, index = (np.arange(4096) + 0.5) / 4096, np.arange(4096) - 2048
    tables = (
        256 * np.log(logit / (1 - logit)),
        65536 / (1 + np.exp(-index / 256)),
        16 * np.log2(1 + np.arange(32) / 32),
    )
    nearest = min(np.abs(one - np.floor(one) - 0.5).min() for one in tables)
    assert "within 0.00009 of a half" in PAGE and nearest > 0.00009
    np.testing.assert_array_equal(np.clip(np.round(tables[0]), -2047, 2047), STRETCH)
    np.testing.assert_array_equal(np.clip(np.round(tables[1]), 16, 65520), SQUASH)


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    assert f"0x{records.STRIDE:08X}" in PAGE and f"0x{pow(records.STRIDE, -1, 2**32):08X}" in PAGE
    limits = re.findall(r"^\| (.*) \| (.*) \|$", PAGE.partition("## What is not believed")[2], re.MULTILINE)
    said = dict(limits[1:6])
    assert said["header"] == f"{layout.MAX_HEADER >> 20} MiB, and {text.MAX_TEXT >> 20} MiB of text inflated"
    assert said["content of a record"] == f"{records.MAX_RECORD >> 20} MiB"
    values, samples = header.MAX_CHUNK_VALUES.bit_length() - 1, header.MAX_SAMPLES.bit_length() - 1
    assert said["values of a chunk: channels * frames * hop, or channels * samples"] == f"2^{values}"
    free, each = layout.FREE_VALUES.bit_length() - 1, layout.VALUES_A_BYTE.bit_length() - 1
    assert f"2^{free}, and 2^{each} for each byte of the file" in said.values()
    assert said["samples of a group"] == f"2^{samples}"
    assert f"hashing {walk.LOOKS_A_BYTE} bytes" in PAGE and f"and {walk.FREE_LOOKS >> 20} MiB" in PAGE
    assert f"1 to {header.MAX_CHANNELS}" in PAGE and f"1 to {header.MAX_GROUPS}" in PAGE
    assert f"{header.MIN_LOG2_HOP} to {header.MAX_LOG2_HOP}" in PAGE
