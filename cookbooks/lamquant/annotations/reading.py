"""Chooses the sources of one recording, in their order, and how each is read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from cookbooks.lamquant.annotations.beside import Directory, Listing
from cookbooks.lamquant.annotations.bids import read_bids
from cookbooks.lamquant.annotations.chbmit import read_seizures, read_summary
from cookbooks.lamquant.annotations.marks import EDF_PLUS, FAMILIES, About, Reading
from cookbooks.lamquant.annotations.siena import read_siena
from cookbooks.lamquant.annotations.text import MOST, read_list
from cookbooks.lamquant.annotations.tuh import read_csv, read_rec, read_tse

Labels = Literal["auto", "edf+", "tuh", "chbmit", "siena", "bids", "none"]
INSTEAD = ("csv_bi", "csv", "tse_bi", "tse")
"""Of these lists, which tell the same in more or less detail, only the first that is there is read."""
READERS: dict[str, Callable[[str, bytes, About], Reading | None]] = {
    "csv_bi": read_csv,
    "csv": read_csv,
    "tse_bi": read_tse,
    "tse": read_tse,
    "rec": read_rec,
    "summary": read_summary,
    "seizures": read_seizures,
    "bids": read_bids,
}


def reads_of(
    about: About,
    folder: Path,
    directory: Directory,
    labels: Labels,
    tals: Callable[[], Reading | None] | None,
) -> Iterator[tuple[str, Callable[[], Reading | None]]]:
    """Yields the sources that are there, in order, and what reads each.

    Args:
        folder: where the lists of the recording lie.
        tals: reads the annotations of the file itself; None where there is no such file.
    """
    beside = directory.of(about.name)
    instead = next((one.source for source in INSTEAD for one in beside if one.source == source), "")
    for source in (
        source for family in FAMILIES if labels in ("auto", family) for source in FAMILIES[family]
    ):
        if source == EDF_PLUS and tals is not None:
            yield source, tals
        if source in INSTEAD and source != instead:
            continue
        for one in beside:
            if one.source == source:
                yield source, _reads(one, folder, about, directory)


def _reads(one: Listing, folder: Path, about: About, directory: Directory) -> Callable[[], Reading | None]:
    def read() -> Reading | None:
        data = read_list(folder / one.name, 1 << 20 if one.source == "seizures" else MOST)
        if one.source == "siena":
            return read_siena(one.source, data, about, directory.recordings)
        return READERS[one.source](one.source, data, about)

    return read
