"""Takes archives that were made elsewhere: they are verified, listed, and used where they lie.

An entry counts if its checksums hold, nothing of its samples was dropped, and it says what they are in
microvolts. One that does not is refused by name and costs nothing but itself. Of the metadata only what the
corpus needs is kept: no text of a patient or a recording.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cookbooks.lamquant.encoding.scaling import BadScale, scaling_of
from cookbooks.lamquant.formats.edf.labels import array_stems, shown_label
from cookbooks.lamquant.formats.edf.nameless import nameless, telling
from cookbooks.lamquant.formats.edf.names import stems_of
from cookbooks.lamquant.formats.edf.patient import PatientKeys, is_synthetic, patient_keys
from cookbooks.lamquant.formats.edf.problems import identity_words
from cookbooks.lamquant.formats.extent import Extent, extent_of_file
from cookbooks.lamquant.formats.lma.archive import LmaArchive, LmaError, read_lma
from cookbooks.lamquant.formats.lml.container import LmlError, LmlReader, SignalDigest
from cookbooks.lamquant.formats.lml.layout import HEADER
from cookbooks.lamquant.formats.lml.structure import read_container_header, read_metadata
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.names import hidden

BLOCK_VALUES = 1 << 21
"""Samples of all channels that are decoded at once."""
LARGEST_META = 64 << 20
META = "meta.json"
MAKE_AGAIN = "make the archive again from its recording"
_PSEUDONYM = re.compile(r"p[0-9a-f]{12}")
_LML = re.compile(r"\.lml$", re.IGNORECASE)


class BadEntry(Exception):
    """Says what is wrong with an entry: field, problem and remedy."""

    def __init__(self, field: str, problem: str, remedy: str = MAKE_AGAIN) -> None:
        super().__init__(f"{field}: {problem}; {remedy}")
        self.field, self.problem, self.remedy = field, problem, remedy


@dataclass(frozen=True)
class ArchiveJob:
    """Describes one archive to take.

    Attributes:
        path: the file.
        root: name of the root that it was found in, by which its place is known later.
        relative: where it lies in its root.
        prefix: of all names of this root; empty where there is one root only.
        stem: how the names of its recordings in the corpus begin.
        digest: BLAKE3 of its bytes; None where it cannot be read.
        n_bytes: its size.
        scratch: a directory for samples that do not fit into memory.
    """

    path: Path
    root: str
    relative: PurePosixPath
    prefix: str
    stem: str
    digest: str | None
    n_bytes: int
    scratch: Path


def take_archive(job: ArchiveJob, moved: Callable[[int], object]) -> dict[str, Any]:
    """Returns ``{"records": corpus entries, "unusable": [reason, ...]}``, or ``{"refused": reason}``.

    The latter is for a file that cannot be opened at all.

    Args:
        job: the archive.
        moved: told of every entry how many bytes of the archive it was.
    """
    try:
        payloads, notes = _opened(job)
    except (LmaError, OSError) as error:
        problem = str(error).replace(str(job.path), job.path.name)
        return {"refused": _reason(job, None, BadEntry("archive", problem))}
    records: list[dict[str, Any]] = []
    unusable: list[dict[str, str]] = []
    stems = _stems(job, [name for name, _ in payloads])
    for name, payload in payloads:
        try:
            records.append(_taken(job, name, stems[name], payload, notes))
        except BadEntry as bad:
            unusable.append(_reason(job, name, bad, _words(payload)))
        except (LmlError, LmaError) as error:
            problem = str(error).replace(str(name), "the entry")
            unusable.append(_reason(job, name, BadEntry("samples", problem), _words(payload)))
        moved(job.n_bytes // len(payloads))
    if not payloads:
        problem = "holds no recording: no entry is an LML1 container"
        return {"refused": _reason(job, None, BadEntry("archive", problem))}
    return {"records": records, "unusable": unusable}


Lazy = Callable[[], Extent]


def _opened(job: ArchiveJob) -> tuple[list[tuple[str | None, Lazy]], dict[str, Any]]:
    """Returns the containers of a file, and what it says of each elsewhere, by the digest of its samples."""
    if job.path.suffix.lower() == ".lml":
        return [(None, lambda: extent_of_file(job.path))], {}
    archive = read_lma(job.path)
    names = [name for name in archive.names if archive.records[name].method == "lml" or _LML.search(name)]
    return [(name, _payload(archive, name)) for name in names], _notes(archive)


def _payload(archive: LmaArchive, name: str) -> Lazy:
    return lambda: archive.extent(name)


def _notes(archive: LmaArchive) -> dict[str, Any]:
    try:
        said: Any = json.loads(archive.read(META, limit=LARGEST_META)) if META in archive.records else {}
        listed = said.get("recordings", [said])
        return {one["signal_sha256"]: one for one in listed if isinstance(one.get("signal_sha256"), str)}
    except (LmaError, ValueError, AttributeError, TypeError, RecursionError):
        return {}  # it is nobody's but the writer's: an archive does without


def _stems(job: ArchiveJob, names: list[str | None]) -> dict[str | None, str]:
    if len(names) < 2:
        return dict.fromkeys(names, job.stem)
    inside = {PurePosixPath(_LML.sub("", str(name))): name for name in names}
    return {inside[path]: f"{job.stem}__{stem}" for path, stem in stems_of(inside).items()}


def _taken(
    job: ArchiveJob, name: str | None, stem: str, payload: Lazy, notes: dict[str, Any]
) -> dict[str, Any]:
    """Returns the entry of the corpus for one container, all of whose samples were decoded."""
    reader = LmlReader(payload())
    if reader.noise_bits:
        raise BadEntry("noise_bits", f"the {reader.noise_bits} lowest bits were dropped: it is not lossless")
    said = reader.metadata
    try:
        scale, offset = scaling_of(said, reader.n_channels)
    except BadScale as bad:
        raise BadEntry(bad.field, bad.problem, "state the range of each channel in its metadata") from None
    sha256 = _verified(reader, job.scratch)
    note = notes.get(sha256, {})
    patient, recorded = (str(said.get(field) or "") for field in ("patient_id", "recording_info"))
    place = _place(job, name, alone=stem == job.stem)
    path = nameless(place, telling(patient))
    if path != place:
        stem = f"{job.prefix}{stems_of([path.with_suffix('')])[path.with_suffix('')]}"
    segment, recording = _segment(note, job, stem)
    return {
        "stem": stem,
        "archive": job.relative.as_posix() if path == place else hidden(job.relative.as_posix()),
        "source": job.root,
        "entry": name if path == place or name is None else hidden(name),
        "recording": recording,
        "root": job.root,
        "segment": segment,
        "left_out": [],
        "repairs": [],
        "evidence": evidence_of(path, *_patient(patient_keys(patient), note)),
        "channels": _channels(said, reader.n_channels, {"patient": patient, "recording": recorded}),
        "n_channels": reader.n_channels,
        "rate_hz": reader.rate_hz,
        "n_samples": reader.n_samples,
        "duration_s": reader.n_samples / reader.rate_hz,
        "bit_depth": reader.bit_depth,
        "unit_scale": scale,
        "unit_offset": offset,
        "signal_sha256": sha256,
        "source_digest": job.digest,
        "synthetic": bool(said.get("synthetic")) or is_synthetic(patient, recorded),
    }


def _verified(reader: LmlReader, scratch: Path) -> str:
    """Decode everything: every window's checksum, and the digest that the writer noted; returns that."""
    digest = SignalDigest(reader.n_channels, scratch)
    step = max(1, BLOCK_VALUES // reader.n_channels)
    for start in range(0, reader.n_samples, step):
        block = reader.read(start, start + step)
        if block.dtype.itemsize > 4:
            raise BadEntry("samples", "need more than 32 bits", "it is not made of EDF or BDF samples")
        digest.update(block)
    found = digest.hexdigest()
    if (noted := reader.metadata.get("signal_sha256", found)) != found:
        raise BadEntry("signal_sha256", f"the samples are not those that were encoded ({str(noted)[:12]!r})")
    return found


def _place(job: ArchiveJob, name: str | None, *, alone: bool) -> PurePosixPath:
    """Returns where a recording lies, which says something of whose it is; an archive is a directory."""
    if name is None:
        return job.relative
    inside, archive = PurePosixPath(name), job.relative
    if alone and inside.stem == archive.stem:
        return archive
    return archive.with_suffix("") / inside


def _segment(note: dict[str, Any], job: ArchiveJob, stem: str) -> tuple[dict[str, Any], str]:
    found: Any = note.get("segment")
    try:
        index, of, onset = int(found["index"]), int(found["of"]), float(found["onset_s"])
    except (TypeError, KeyError, ValueError):
        index, of, onset = 0, 1, 0.0
    if not 0 <= index < of or of == 1:
        return {"index": 0, "of": 1, "onset_s": 0.0}, stem
    return {"index": index, "of": of, "onset_s": onset}, job.stem


def _patient(said: PatientKeys, note: dict[str, Any]) -> Iterator[str | None]:
    """Give the pseudonyms of a patient; an archive made by Blut keeps nothing but these."""
    evidence: Any = note.get("evidence")
    for field, key in said._asdict().items():
        found = evidence.get(field) if isinstance(evidence, dict) else None
        yield key or (found if isinstance(found, str) and _PSEUDONYM.fullmatch(found) else None)


def _channels(said: dict[str, Any], count: int, identity: dict[str, str]) -> list[str]:
    names = said.get("channels")
    if not isinstance(names, list) or len(names) != count or not all(isinstance(one, str) for one in names):
        raise BadEntry("channels", f"its metadata does not name its {count} channels")
    words = identity_words(identity)
    stems = array_stems(names)
    return list(_distinct([shown_label(name, index, words, stems) for index, name in enumerate(names)]))


def _distinct(names: list[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"


def _words(payload: Lazy) -> frozenset[str]:
    """Returns the words by which a container's metadata tell a person, as far as they can be read."""
    try:
        source = payload()
        header = read_container_header(source.read(0, HEADER.size))
        said = read_metadata(source.read(HEADER.size, header.n_metadata))
    except (LmlError, LmaError):
        return frozenset()
    return telling(str(said.get("patient_id") or ""))


def _reason(
    job: ArchiveJob, name: str | None, bad: BadEntry, words: frozenset[str] = frozenset()
) -> dict[str, str]:
    file = nameless(job.relative, words).as_posix()
    if name is not None:
        file = f"{file}: {nameless(PurePosixPath(name), words)}"
    return {"file": file, "field": bad.field, "problem": bad.problem, "remedy": bad.remedy}


def archive_stems(names: Sequence[str], prefix: str) -> dict[str, str]:
    """Returns how the names of recordings begin, by the relative name of their archive."""
    plain = {PurePosixPath(re.sub(r"\.lm[al]$", "", name, flags=re.IGNORECASE)): name for name in names}
    if len(plain) < len(names):  # x.lma and x.lml
        plain = {PurePosixPath(name): name for name in names}
    return {plain[path]: f"{prefix}{stem}" for path, stem in stems_of(plain).items()}
