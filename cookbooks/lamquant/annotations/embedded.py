"""Opens a recording for the annotations that it holds itself."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from cookbooks.lamquant.annotations.beside import without_gz
from cookbooks.lamquant.annotations.marks import About, BadSource, Piece, Reading
from cookbooks.lamquant.annotations.tal import read_tals
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import EdfFile, ReadOptions, open_edf


def embedded(
    path: Path, begin_s: float, channels: tuple[str, ...] = (), scratch: Path | None = None
) -> Callable[[], Reading | None]:
    """Returns what reads the annotations of a file.

    Args:
        path: the file.
        begin_s: the time of its first sample.
        channels: those that were taken, for a file in which no other is EEG by its label.
        scratch: directory for what is inflated.
    """

    def read() -> Reading | None:
        for options in (ReadOptions(), ReadOptions(channels=channels)):
            with contextlib.suppress(BadRecording), open_edf(path, options, scratch=scratch) as file:
                return read_tals(file.annotations(strict=True), begin_s)
        raise BadSource("the recording cannot be opened for them", "see what `blut data add` says of it")

    return read


def about_file(name: str, file: EdfFile) -> About:
    """Returns what annotations are about, of a file that is in no corpus yet."""
    begin = file.segments[0].onset_s
    pieces = (
        Piece("", one.onset_s - begin, one.n_samples / file.rate_hz, one.n_samples, file.rate_hz)
        for one in file.segments
    )
    return About(without_gz(name), tuple(pieces), begin)
