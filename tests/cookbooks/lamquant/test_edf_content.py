"""Text that stands where samples should is told from samples, however it is filled up and coded."""

from pathlib import Path

import numpy as np
import pytest

from cookbooks.lamquant.formats.edf.recording import open_edf
from tests.cookbooks.lamquant.edf_writer import Edf, N, Sig, walk

TEXT = "Quendelheim, Ottilie, born 02 May 1951, phone 0456 778899"
LABELS = ("EEG Fp1", "EEG Fp2", "EEG Note")
CODES = {
    "ASCII": lambda text: text.encode(),
    "UTF-8": lambda text: ("Квендельгейм " + text[:9]).encode(),
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "UTF-16, most significant byte first": lambda text: text.encode("utf-16-be"),
    "UTF-16 of other letters": lambda text: "Квендельгейм Оттилия".encode("utf-16-le"),
    "UTF-16 of other letters, turned": lambda text: "Κουέντελχαϊμ Οττίλια".encode("utf-16-be"),
    "UTF-32": lambda text: text[:24].encode("utf-32-le"),
    "24 bits": lambda text: b"".join(bytes([ord(one), 0, 0]) for one in text[:36]),
    "24 bits, in the upper byte": lambda text: b"".join(bytes([0, 0, ord(one)]) for one in text[:36]),
}
FILLS = (b"\0", b" ", b"\xff", b" \0", b"\0 ", b"\x00\x80", b" \0\0", b".", b"\r\n")


def left_out(path: Path, content: list[bytes], width: int) -> bool:
    note = Sig(LABELS[2], content=lambda index: content[index])
    signals = [*(Sig(label, walk(seed)) for seed, label in enumerate(LABELS[:2])), note]
    path.write_bytes(Edf(signals, width=width).bytes())
    with open_edf(path) as file:
        kept = file.channels
        assert kept[:2] == list(LABELS[:2])
    return len(kept) == 2


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("width", [2, 3])
def test_text_in_one_record_or_in_all_is_text_whatever_fills_the_rest(
    code: str, fill: bytes, width: int, tmp_path: Path
) -> None:
    size = width * N
    text = CODES[code](TEXT)[:size]
    text += (fill * size)[: size - len(text)]
    blank = (fill * size)[:size]
    assert left_out(tmp_path / "one", [blank, blank, text, blank, blank, blank], width)
    assert left_out(tmp_path / "all", [text] * 6, width)
    assert left_out(tmp_path / "last", [blank] * 5 + [text], width)


def test_one_word_in_capitals_is_text(tmp_path: Path) -> None:
    for code in ("ASCII", "UTF-16", "24 bits"):
        for fill in (b"\0", b" ", b"\xff"):
            text = CODES[code]("QUENDELHEIM").ljust(3 * N, fill)
            assert left_out(tmp_path / "x", [fill * 3 * N] * 5 + [text], 3), (code, fill)


@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("offset", [0, 50, 80, 110, 1080, 8224, -150])
@pytest.mark.parametrize("reach", [3, 10, 25, 45, 120])
def test_a_quiet_channel_is_not_text(width: int, offset: int, reach: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(reach)
    kinds = {
        "noise": rng.normal(0, reach / 3, (6, N)),
        "slow": reach * np.sin(np.arange(6 * N) / 9 + rng.normal()).reshape(6, N) * 0.9,
        "drift": np.clip(rng.normal(0, reach / 8, 6 * N).cumsum(), -reach, reach).reshape(6, N),
    }
    kinds["flat, then slow"] = kinds["slow"] * (np.arange(N) > N // 2)
    kinds["slow, then flat"] = kinds["slow"] * (np.arange(6) < 3)[:, None]
    for name, shape in kinds.items():
        samples = np.rint(shape + offset).astype("<i4")
        raw = [row.view(np.uint8).reshape(-1, 4)[:, :width].tobytes() for row in samples]
        assert not left_out(tmp_path / "x", raw, width), name


@pytest.mark.parametrize("n", [1, 4, N])
def test_a_note_is_found_wherever_it_stands_in_a_long_recording(n: int, tmp_path: Path) -> None:
    """Letters that follow each other, in records of one sample too; and a channel that is flat stays one."""
    records = 3001
    raw = TEXT.encode().ljust(128)
    pieces = [raw[at : at + 2 * n] for at in range(0, 128, 2 * n)]
    for first in (1, 1498, 1499, 1500, records - 1 - len(pieces)):
        note = Sig(
            LABELS[2],
            content=lambda k, first=first: pieces[k - first] if 0 <= k - first < len(pieces) else b"  " * n,
        )
        flat = Sig("EEG Cz", content=lambda k, first=first: b"\x50\0" * n if k != first else b"\x40\x06" * n)
        signals = [Sig(LABELS[0], walk(1, n, records)), note, flat]
        (tmp_path / "x").write_bytes(Edf(signals, records=records).bytes())
        with open_edf(tmp_path / "x") as file:
            assert file.channels == [LABELS[0], "EEG Cz"], first
