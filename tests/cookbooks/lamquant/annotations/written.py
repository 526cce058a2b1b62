"""Writes small lists beside a recording that is not there, and asks what is made of them."""

import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from cookbooks.lamquant.annotations.beside import directories
from cookbooks.lamquant.annotations.marks import About, Piece, Reading
from cookbooks.lamquant.annotations.outcome import Labelling, decide
from cookbooks.lamquant.annotations.reading import reads_of
from cookbooks.lamquant.annotations.tal import read_tals
from cookbooks.lamquant.annotations.vocabulary import SHIPPED_VOCABULARY, parse_vocabulary, read_vocabulary
from cookbooks.lamquant.formats.edf.tal import Tal

SHIPPED = parse_vocabulary(read_vocabulary(SHIPPED_VOCABULARY), "shipped")
SPAN, RATE = 345.0, 256.0


def whole(name: str = "x.edf", span: float = SPAN) -> About:
    return About(name, (Piece("x", 0.0, span, int(span * RATE), RATE),))


def outcome(
    folder: Path,
    files: Mapping[str, str | bytes],
    *,
    tals: Iterable[Tal] | None = None,
    about: About | None = None,
    beside: Iterable[str] = (),
    **options: Any,
) -> Labelling:
    """What is decided for a recording among these files; ``beside`` names other recordings."""
    about = about or whole()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    named = map(PurePosixPath, [*files, about.name, *beside])
    directory = directories(named)[PurePosixPath()]
    embedded: Callable[[], Reading | None] | None = None if tals is None else lambda: read_tals(tals, 0.0)
    reads = reads_of(about, folder, directory, options.get("labels", "auto"), embedded)
    return decide(about, reads, options.get("vocabulary", SHIPPED), options.get("unknown", "refuse"))


def events(found: Labelling) -> list[tuple[str, float, float]]:
    """Class, onset and duration of all events of a recording in one piece."""
    assert found.state == "annotated", (found.state, found.problem)
    return [(event.label, event.onset_s, event.duration_s) for event in found.events["x"]]


def refused(found: Labelling, source: str, problem: str) -> None:
    """See that the labels are refused, because of this source, for this reason, and none are left."""
    assert (found.state, found.events) == ("refused", {}), found
    assert found.problem.startswith(f"{source}: "), found.problem
    assert problem in found.problem, found.problem
    assert found.remedy


def table(cases: Mapping[str, tuple[Any, ...]]) -> Any:
    """Parametrises a test over named cases."""
    return pytest.mark.parametrize("case", list(cases.values()), ids=list(cases))


def seizures_file(pairs: Iterable[tuple[int, int]], *, end: bool = True, resolution: str = "") -> bytes:
    """A ``.seizures`` in WFDB's format, with starts and ends in samples."""
    words = b""
    if resolution:
        text = f"## time resolution: {resolution}".encode()
        words += struct.pack("<HH", 22 << 10, 63 << 10 | len(text)) + text + b"\0" * (len(text) % 2)
    before = 0
    for code, sample in ((code, at) for pair in pairs for code, at in zip((32, 33), pair, strict=True)):
        step = sample - before
        if not 0 <= step < 1024:
            words += struct.pack("<HHH", 59 << 10, step >> 16 & 0xFFFF, step & 0xFFFF)
            step = 0
        words += struct.pack("<H", code << 10 | step)
        before = sample
    return words + (b"\0\0" if end else b"")
