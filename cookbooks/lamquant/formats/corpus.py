"""Reads a corpus: ``corpus.json`` and the archives that it lists, in its directory or where they lie.

``corpus.json`` lists what was encoded, under which subject, with the factors from digital units to
microvolts, and what was refused. A recording with gaps has an entry for each of its segments. Nothing in it
depends on where or when the corpus was made.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.formats.edf.discovery import LOOKED_FOR, find_recordings
from cookbooks.lamquant.formats.extent import Extent, extent_of_file
from cookbooks.lamquant.formats.index import SOURCE, read_index
from cookbooks.lamquant.formats.lma.archive import LmaArchive, read_lma
from cookbooks.lamquant.formats.lml.container import LmlReader, signal_sha256
from cookbooks.lamquant.subjects.names import HIDDEN, hidden

SCHEMA = "blut.lma_corpus.v2"
INDEX = "corpus.json"
OPEN_ARCHIVES = 16
"""Archives that stay open, so that one with many recordings is verified once."""


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

    def read(self, start: int, stop: int, rows: Sequence[int] | slice = slice(None)) -> NDArray[np.int32]:
        """Returns samples ``start`` to ``stop`` of the channels ``rows``, ``[C, T]``."""
        return self.digital[rows, start:stop]

    @property
    def microvolts(self) -> NDArray[np.float64]:
        """Returns the samples in microvolts, float64 ``[C, T]``."""
        return self.digital * self.scale[:, None] + self.offset[:, None]


class StoredRecording:
    """Reads one recording of a corpus, a stretch at a time.

    Attributes:
        stem: its name in the corpus.
        subject: whose it is.
        channels: names ``[C]``.
        rate_hz: samples per second.
        n_samples: of each channel.
        scale, offset: float64 ``[C]``, microvolts per digital unit and microvolts at zero.
    """

    def __init__(self, entry: Mapping[str, Any], archive: Path, reader: LmlReader) -> None:
        self.stem, self.subject = str(entry["stem"]), str(entry["subject"])
        self.channels, self.rate_hz = list(entry["channels"]), float(entry["rate_hz"])
        self.n_samples = reader.n_samples
        self.scale = np.array(entry["unit_scale"], np.float64)
        self.offset = np.array(entry["unit_offset"], np.float64)
        self._reader, self._archive, self._sha256 = reader, archive, entry["signal_sha256"]

    def read(self, start: int, stop: int, rows: Sequence[int] | slice = slice(None)) -> NDArray[np.int32]:
        """Returns samples ``start`` to ``stop`` of the channels ``rows``, int32 ``[C, T]``.

        Each window's checksum is verified, those of the archive were when it was opened.

        Raises:
            LmlError: the archive's payload is damaged.
        """
        return self._reader.read(start, stop, rows).astype(np.int32, copy=False)

    def blocks(self, samples: int) -> Iterator[NDArray[np.int32]]:
        """Yields the recording in time order, ``samples`` at a time, int32 ``[C, T]``."""
        for start in range(0, self.n_samples, samples):
            yield self.read(start, start + samples)

    @cached_property
    def digital(self) -> NDArray[np.int32]:
        """Returns all samples, int32 ``[C, T]``, checked against the index; they are kept in memory.

        Raises:
            CorpusError: they are not those that were encoded.
            LmlError: the archive's payload is damaged.
        """
        digital = self.read(0, self.n_samples)
        if signal_sha256(digital) != self._sha256:
            raise _differs(self._archive)
        return digital

    def whole(self) -> Recording:
        """Returns the recording with all samples in memory.

        Raises:
            CorpusError, LmlError: as `digital`.
        """
        return Recording(
            self.stem, self.subject, self.channels, self.rate_hz, self.digital, self.scale, self.offset
        )


class Corpus:
    """Opens the recordings of a corpus; its index is parsed once.

    Attributes:
        index: the parsed ``corpus.json``.
        entries: what it says of each recording, by stem.

    Args:
        root: the corpus.
        sources: by name, directories outside of it whose archives it lists.

    Raises:
        CorpusError: the index is missing, not JSON, or of another schema.
    """

    def __init__(self, root: Path, sources: Mapping[str, Path] | None = None) -> None:
        self.index = read_corpus(root)
        self.entries: dict[str, dict[str, Any]] = {e["stem"]: e for e in self.index["recordings"]}
        self._root, self._sources = root, dict(sources or {})
        self._archives: OrderedDict[Path, LmaArchive] = OrderedDict()
        self._hidden: dict[str, dict[str, str]] = {}

    def open(self, stem: str) -> StoredRecording:
        """Returns a recording whose archive has been verified; its samples are read when they are asked for.

        Raises:
            CorpusError: no such stem, or the archive is not the one that was encoded.
            LmaError, LmlError: the archive or its payload is damaged.
        """
        if stem not in self.entries:
            known = ", ".join(sorted(self.entries)[:5])
            raise CorpusError(
                f"{self._root / INDEX}: no recording {stem!r}; it lists {len(self.entries)}: {known} ..."
            )
        entry = self.entries[stem]
        path = self._path(entry)
        reader = LmlReader(self._payload(path, entry))
        shape = (reader.n_channels, reader.n_samples)
        named = reader.metadata.get("signal_sha256", entry["signal_sha256"])
        if shape != (len(entry["channels"]), entry["n_samples"]) or named != entry["signal_sha256"]:
            raise _differs(path)
        return StoredRecording(entry, path, reader)

    def _path(self, entry: Mapping[str, Any]) -> Path:
        source = entry.get("source")
        if source is None:
            return self._root / entry["archive"]
        if source not in self._sources:
            raise CorpusError(f"{entry['stem']}: lies in the source {source!r}, which was not given")
        return self._sources[source] / self._found(source, entry["archive"])

    def _found(self, source: str, archive: str) -> str:
        """Returns where an archive lies in its source, also where the index does not say its name."""
        if not archive.startswith(HIDDEN):
            return archive
        if source not in self._hidden:
            names = find_recordings(self._sources[source], LOOKED_FOR["lma"]).names
            self._hidden[source] = {hidden(name): name for name in names}
        if archive not in self._hidden[source]:
            raise CorpusError(f"{self._sources[source]}: an archive of the corpus is gone; restore it")
        return self._hidden[source][archive]

    def _payload(self, path: Path, entry: Mapping[str, Any]) -> Extent:
        inside = entry.get("entry", f"{entry['stem']}.lml")
        if inside is None:
            try:
                return extent_of_file(path)
            except OSError as error:
                raise CorpusError(f"{path}: cannot be read: {error.strerror or error}") from error
        if path not in self._archives:
            self._archives[path] = read_lma(path)
        self._archives.move_to_end(path)
        while len(self._archives) > OPEN_ARCHIVES:
            self._archives.popitem(last=False)
        archive = self._archives[path]
        if inside.startswith(HIDDEN):
            inside = next((name for name in archive.names if hidden(name) == inside), inside)
        return archive.extent(inside)


def open_corpus(inputs: Mapping[str, Path]) -> Corpus:
    """Returns the corpus of a payload's inputs: ``corpus``, and ``source_<name>`` for what lies outside.

    Raises:
        CorpusError: the index cannot be read.
    """
    sources = {name[len(SOURCE) :]: path for name, path in inputs.items() if name.startswith(SOURCE)}
    return Corpus(inputs["corpus"], sources)


def read_corpus(corpus_dir: Path) -> dict[str, Any]:
    """Returns the parsed ``corpus.json``.

    Raises:
        CorpusError: it is missing, not JSON, or of another schema.
    """
    path = corpus_dir / INDEX
    return read_index(path, SCHEMA, "a corpus index", "encode the recordings again", CorpusError)


def _differs(archive: Path) -> CorpusError:
    return CorpusError(f"{archive}: samples differ from those encoded; encode the recordings again")
