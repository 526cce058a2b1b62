"""Encodes one file: each stretch without a gap becomes an LML1 container, all of them one LMA1 archive."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.encoding.job import EncodeJob, as_json
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import EdfFile, open_edf
from cookbooks.lamquant.formats.edf.timekeeping import Segment
from cookbooks.lamquant.formats.extent import extent_of_file
from cookbooks.lamquant.formats.lma.archive import DIGEST, LmaError, read_lma
from cookbooks.lamquant.formats.lma.writer import LmaEntry, write_lma
from cookbooks.lamquant.formats.lml.container import LmlReader, LmlWriter, NotBitExact, SignalDigest
from cookbooks.lamquant.subjects.evidence import evidence_of

BLOCK_VALUES = 1 << 17
"""Samples of all channels that are read and encoded at once: so many stay in a processor's cache."""


def encode_job(job: EncodeJob, moved: Callable[[int], object]) -> dict[str, Any]:
    """Returns ``{"records": corpus entries}``, one for each stretch without a gap, with the archive in
    ``job.finished``, or ``{"refused": reason}``.

    Args:
        job: the file.
        moved: told of every block how many bytes of samples it was.

    Raises:
        NotBitExact: the archive does not decode to the source's samples.
    """
    try:
        if records := finished_before(job):
            return {"records": records}
        with open_edf(job.path, job.options, scratch=job.finished) as recording:
            records = _encode(job, recording, moved)
        write_atomic(
            job.note, as_json({"records": records, "digest": _own_digest(job.archive)}), durable=False
        )
        return {"records": records}
    except BadRecording as bad:
        reason = {"field": bad.field, "problem": bad.problem, "remedy": bad.remedy}
        return {"refused": {"file": job.relative.as_posix(), **reason}}


def finished_before(job: EncodeJob) -> list[dict[str, Any]] | None:
    """Returns the entries of an archive that an earlier attempt completed, if its bytes are still those."""
    try:
        saved = json.loads(job.note.read_text())
    except (OSError, ValueError):
        return None
    try:
        read_lma(job.archive)  # compares its bytes with the digest that it ends with
    except LmaError:
        return None
    return saved["records"] if saved["digest"] == _own_digest(job.archive) else None


def _own_digest(archive: Path) -> str:
    with archive.open("rb") as file:
        file.seek(-DIGEST, os.SEEK_END)
        return file.read().hex()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encode(job: EncodeJob, recording: EdfFile, moved: Callable[[int], object]) -> list[dict[str, Any]]:
    part = job.archive.with_suffix(f".{os.getpid()}.part")
    with _scratch(job, len(recording.segments)) as payloads:
        try:
            records, entries = [], []
            for segment, payload in zip(recording.segments, payloads, strict=True):
                record = _record(job, recording, segment)
                record["signal_sha256"] = _write_payload(job, recording, segment, payload, moved)
                _check_payload(job, payload, record)
                records.append(record)
                entries.append(LmaEntry(f"{record['stem']}.lml", payload, original_sha256=_sha256(payload)))
            contents = [
                {**r, "content_sha256_lml": e.original_sha256} for r, e in zip(records, entries, strict=True)
            ]
            meta = contents[0] if len(contents) == 1 else {"recordings": contents}
            write_lma(part, [*entries, LmaEntry("meta.json", as_json({**meta, **_provenance(recording)}))])
            part.replace(job.archive)
        except (LmaError, ValueError) as error:
            # a limit of the archive format; its text must not carry the place of the work directory
            problem = str(error).replace(str(part), "archive")
            raise BadRecording(job.path, "archive", problem, "split the recording") from error
    return records


@contextlib.contextmanager
def _scratch(job: EncodeJob, count: int) -> Iterator[list[Path]]:
    """Yields places for the payloads of an archive, which go when it is written."""
    paths = [job.archive.with_suffix(f".{os.getpid()}-{index}.lml") for index in range(count)]
    try:
        yield paths
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def _write_payload(
    job: EncodeJob, recording: EdfFile, segment: Segment, path: Path, moved: Callable[[int], object]
) -> str:
    """Write the container of one segment, every window proved; returns the digest of its samples."""
    n_channels = len(recording.channels)
    digest = SignalDigest(n_channels, job.finished, "<i2" if recording.bit_depth <= 16 else "<i4")
    with path.open("wb") as file:
        writer = LmlWriter(
            file,
            n_channels,
            segment.n_samples,
            recording.rate_hz,
            bit_depth=recording.bit_depth,
            metadata=_lml_metadata(recording, segment),
            proved=True,
        )
        windows = max(1, BLOCK_VALUES // (n_channels * writer.window_size))
        for block in recording.blocks(segment, windows * writer.window_size):
            try:
                writer.write(block)
            except NotBitExact as error:
                raise NotBitExact(f"{job.relative}: {error}") from error
            digest.update(block)
            moved(block.size * recording.bit_depth // 8)
        found = digest.hexdigest()
        writer.finish(found)
    return found


def _check_payload(job: EncodeJob, path: Path, record: dict[str, Any]) -> None:
    """Open what was written: its index leads to every window, and it says which samples were proved."""
    reader = LmlReader(extent_of_file(path))
    shape = (reader.n_channels, reader.n_samples, reader.metadata["signal_sha256"])
    if shape != (record["n_channels"], record["n_samples"], record["signal_sha256"]):
        raise NotBitExact(f"{job.relative}: the container does not hold what was written to it")


def _record(job: EncodeJob, recording: EdfFile, segment: Segment) -> dict[str, Any]:
    of = len(recording.segments)
    stem = job.stem if of == 1 else f"{job.stem}__segment-{segment.index + 1}"
    return {
        "stem": stem,
        "archive": f"archives/{job.stem}.lma",
        "source": None,
        "entry": f"{stem}.lml",
        "recording": job.stem,
        "root": job.root,
        "segment": {"index": segment.index, "of": of, "onset_s": segment.onset_s},
        "left_out": [asdict(item) for item in recording.left_out],
        "repairs": [asdict(item) for item in recording.repairs],
        "evidence": evidence_of(job.relative, *recording.patient),
        "channels": recording.channels,
        "n_channels": len(recording.channels),
        "rate_hz": recording.rate_hz,
        "n_samples": segment.n_samples,
        "duration_s": segment.n_samples / recording.rate_hz,
        "bit_depth": recording.bit_depth,
        "unit_scale": recording.scale.tolist(),
        "unit_offset": recording.offset.tolist(),
        "source_digest": job.digest,
        "synthetic": recording.synthetic,
    }


def _lml_metadata(recording: EdfFile, segment: Segment) -> dict[str, Any]:
    """Returns metadata under the key names that LML1 files in the wild use,
    so that other readers find them.
    """
    names = ("dig_min", "dig_max", "phys_min", "phys_max", "phys_dim")
    columns = dict(zip(names, map(list, zip(*recording.ranges, strict=True)), strict=True))
    metadata = {
        "format": recording.kind,
        "channels": recording.channels,
        "n_data_records": segment.n_records,
        "record_duration": recording.record_duration_s,
        "duration_s": segment.n_samples / recording.rate_hz,
        "synthetic": recording.synthetic,
        **columns,
    }
    if recording.identity is not None:
        metadata["patient_id"] = recording.identity["patient"]
        metadata["recording_info"] = recording.identity["recording"]
        metadata["startdate"] = f"{recording.identity['start date']} {recording.identity['start time']}"
    return metadata


def _provenance(recording: EdfFile) -> dict[str, Any]:
    return {
        "identity": "stripped" if recording.identity is None else "kept",
        "identity_fields": recording.identity or {},
        "source_format": recording.kind,
        "trailing_bytes": recording.trailing_bytes,
    }
