"""What the page on the file format says is what the files are."""

import re
from typing import Any

import pytest

from bench.lqc_files import made_model, small_files
from cookbooks.lamquant.lqc.container import header, layout, records, text, walk
from cookbooks.lamquant.lqc.container.reader import Reader
from tests.conftest import REPOSITORY
from tests.docs.pages import blocks

PAGE = (REPOSITORY / "docs/bitstream.md").read_text()


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    (block,) = [one for one in blocks("python") if one.page == "docs/bitstream.md"]
    names: dict[str, Any] = {}
    exec(block.text, names)
    return names


@pytest.mark.parametrize("kind", range(5))
def test_the_program_on_the_page_reads_every_kind_of_file(kind: int, program: dict[str, Any]) -> None:
    data = list(small_files(made_model()).values())[kind]
    reader = Reader(data)
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
