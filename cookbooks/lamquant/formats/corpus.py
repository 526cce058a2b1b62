"""Reads a corpus directory: ``corpus.json`` and one LMA1 archive per recording.

``corpus.json`` lists what was encoded, under which subject, with the factors from digital units to
microvolts, and what was refused. Nothing in it depends on where or when the corpus was made.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.formats.index import read_index
from cookbooks.lamquant.formats.lma.archive import read_lma
from cookbooks.lamquant.formats.lml.container import decode_lml, signal_sha256

SCHEMA = "blut.lma_corpus.v1"
INDEX = "corpus.json"


class CorpusError(Refused):
    """Says that a corpus directory cannot be read as one; names the file and the remedy."""


@dataclass(frozen=True)
class Recording:
    """Holds one decoded recording.

    Attributes:
        digital: int32 ``[C, T]``, bit-exact to the source file.
        scale, offset: float64 ``[C]``, microvolts per digital unit and microvolts at zero.
    """

    stem: str
    subject: str
    channels: list[str]
    rate_hz: float
    digital: NDArray[np.int32] = field(repr=False)
    scale: NDArray[np.float64] = field(repr=False)
    offset: NDArray[np.float64] = field(repr=False)

    @property
    def n_samples(self) -> int:
        """Returns the samples of each channel."""
        return self.digital.shape[1]

    def read(self, start: int, stop: int) -> NDArray[np.int32]:
        """Returns the integers ``[C, stop - start]``."""
        return self.digital[:, start:stop]

    @property
    def microvolts(self) -> NDArray[np.float64]:
        """Returns the samples in microvolts, float64 ``[C, T]``."""
        return self.digital * self.scale[:, None] + self.offset[:, None]


def read_corpus(corpus_dir: Path) -> dict[str, Any]:
    """Returns the parsed ``corpus.json``.

    Raises:
        CorpusError: it is missing, not JSON, or of another schema.
    """
    path = corpus_dir / INDEX
    return read_index(path, SCHEMA, "a corpus index", "encode the recordings again", CorpusError)


def read_recording(corpus_dir: Path, stem: str) -> Recording:
    """Decode one recording and check its samples against the index.

    Raises:
        CorpusError: no such stem, or the archive's samples are not those that were encoded.
        LmaError, LmlError: the archive or its payload is damaged.
    """
    entries = {entry["stem"]: entry for entry in read_corpus(corpus_dir)["recordings"]}
    if stem not in entries:
        known = ", ".join(sorted(entries)[:5])
        raise CorpusError(
            f"{corpus_dir / INDEX}: no recording {stem!r}; it lists {len(entries)}: {known} ..."
        )
    entry = entries[stem]
    path = corpus_dir / entry["archive"]
    digital = decode_lml(read_lma(path).read(f"{stem}.lml")).digital.astype(np.int32, copy=False)
    if signal_sha256(digital) != entry["signal_sha256"]:
        raise CorpusError(f"{path}: samples differ from those encoded; encode the recordings again")
    return Recording(
        stem=stem,
        subject=entry["subject"],
        channels=list(entry["channels"]),
        rate_hz=float(entry["rate_hz"]),
        digital=digital,
        scale=np.array(entry["unit_scale"], np.float64),
        offset=np.array(entry["unit_offset"], np.float64),
    )
