"""Encodes EDF and BDF recordings to a corpus of LMA1 archives with LML1 payloads, bit-exact.

    python -m cookbooks.lamquant.payload.lma_encode --config FILE

Inputs: ``recordings``, a directory. Config: ``identity`` (``strip`` or ``keep``), ``workers`` (processes,
at least 1), ``limit`` (the first N recordings by name, or null). Every archive is decoded and compared
with the source before it counts. A recording that cannot be used is listed with the field at fault and
the remedy; the others go on. Encoded archives outlive a kill in the session's work directory.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from blut_resources.files.foreign import open_regular
from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import INDEX, SCHEMA
from cookbooks.lamquant.formats.edf.discovery import PassedOver, find_recordings
from cookbooks.lamquant.formats.edf.names import stems_of
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import EdfFile, ReadOptions, open_edf
from cookbooks.lamquant.formats.edf.timekeeping import Segment
from cookbooks.lamquant.formats.lma.archive import LmaError, read_lma
from cookbooks.lamquant.formats.lma.writer import LmaEntry, write_lma
from cookbooks.lamquant.formats.lml.container import decode_lml, encode_lml, signal_sha256
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.join import units
from cookbooks.lamquant.subjects.names import patient_key

IDENTITY = {"strip": "stripped", "keep": "kept"}
SHOWN_REFUSALS = 5
# Starting another process costs two seconds of imports; it must have at least that much to do.
BYTES_PER_WORKER = 8 << 20


class NotBitExact(Exception):
    """Says that the encoder lost a sample: an error of this program, not of a recording."""


@dataclass(frozen=True)
class EncodeJob:
    """Describes one file to encode:
    ``relative`` to the recordings' root, ``done`` the directory of finished work.
    """

    path: Path
    relative: PurePosixPath
    stem: str
    options: ReadOptions
    done: Path


@dataclass(frozen=True)
class EncodeSettings:
    """Holds what `LmaCorpusConfig` says."""

    identity: Literal["strip", "keep"] = "strip"
    repair: Literal["record", "refuse"] = "record"
    channels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    workers: Annotated[int, Bounds(1)] = 1
    limit: Annotated[int, Bounds(1)] | None = None


@dataclass(frozen=True)
class EncodeInputs:
    """Names the input."""

    recordings: Path


def main() -> None:
    """Encode the corpus of one session."""
    with payload_session() as session:
        settings, root = read_config(session, EncodeSettings), read_inputs(session, EncodeInputs).recordings
        options = ReadOptions(
            settings.repair, settings.channels, settings.exclude, settings.identity == "keep"
        )
        if not root.is_dir():
            raise Refused(f"{root}: not a directory; point `recordings` at the one that holds the files")
        jobs, passed_over = _jobs(root, session.work / "encoded", options)
        jobs = jobs[: settings.limit]
        if not jobs and not passed_over:
            raise Refused(
                f"{root}: no recordings: looked for *.edf and *.bdf, also with .gz, in any case, in every "
                "directory below; point `recordings` at the directory that holds them"
            )
        outcomes = _encode_all(session, jobs, settings.workers)
        records = _with_subjects([one for outcome in outcomes for one in outcome.get("records", ())])
        refused = [{"field": "file", **one._asdict()} for one in passed_over]
        refused += [outcome["refused"] for outcome in outcomes if "refused" in outcome]
        if not records:
            raise Refused(_none_usable(root, refused))
        _write_corpus(session, jobs, records, refused, IDENTITY[settings.identity])
        session.done(**_facts(session.out, records, refused, IDENTITY[settings.identity]))


def _jobs(root: Path, done: Path, options: ReadOptions) -> tuple[list[EncodeJob], list[PassedOver]]:
    done.mkdir(parents=True, exist_ok=True)
    names, passed_over = find_recordings(root)
    stems = stems_of(map(PurePosixPath, names))
    jobs = [EncodeJob(root / relative, relative, stem, options, done) for relative, stem in stems.items()]
    return jobs, passed_over


def _encode_all(session: PayloadSession, jobs: list[EncodeJob], workers: int) -> list[dict[str, Any]]:
    outcomes: list[dict[str, Any]] = []
    processes = min(workers, len(jobs), max(1, _source_bytes(jobs) // BYTES_PER_WORKER))
    with contextlib.ExitStack() as stack:
        results: Iterator[dict[str, Any]] = map(encode_job, jobs)
        if processes > 1:
            # Spawned, not forked: a forked child would inherit locks and the event channel.
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_die_with_parent)
            results = stack.enter_context(pool).map(encode_job, jobs)
        try:
            for outcome in results:
                outcomes.append(outcome)
                session.step(len(outcomes), of=len(jobs))
        except BrokenProcessPool as error:
            job = jobs[len(outcomes)]
            raise Refused(
                f"{job.path}: an encoder process died at or near this file, most likely out of memory; "
                "set workers=1 or raise the memory limit, then run again: what is encoded is kept"
            ) from error
    return outcomes


def _with_subjects(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the entries with whose they are, which shows beside the others only."""
    found = units(records)
    return [
        {**record, "subject": found[record["stem"]].name, "subject_from": found[record["stem"]].source}
        for record in records
    ]


def _source_bytes(jobs: list[EncodeJob]) -> int:
    total = 0
    for job in jobs:
        with contextlib.suppress(OSError):
            total += job.path.stat().st_size
    return total


def _die_with_parent() -> None:
    # PR_SET_PDEATHSIG: a worker must not outlive a payload that was killed.
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)


def encode_job(job: EncodeJob) -> dict[str, Any]:
    """Returns ``{"records": corpus entries}``, one for each stretch without a gap, with the archives in
    ``job.done``, or ``{"refused": reason}``.

    Raises:
        NotBitExact: the archive does not decode to the source's samples.
    """
    try:
        source = _source_sha256(job.path)
        if source is not None and (records := _finished(job, source)):
            return {"records": records}
        with open_edf(job.path, job.options, scratch=job.done) as recording:
            records = [_encode(job, recording, segment, source or "") for segment in recording.segments]
        _, entry = _places(job, source or "")
        archives = [_source_sha256(_places(job, source or "", index)[0]) for index in range(len(records))]
        # Written last: an entry means that its archives are complete.
        write_atomic(entry, _json({"records": records, "archives": archives}))
        return {"records": records}
    except BadRecording as bad:
        reason = {"field": bad.field, "problem": bad.problem, "remedy": bad.remedy}
        return {"refused": {"file": job.relative.as_posix(), **reason}}


def _source_sha256(path: Path) -> str | None:
    """Returns the digest of a file; None for what cannot be read: reading it as EDF then says why."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _encode(job: EncodeJob, recording: EdfFile, segment: Segment, source: str) -> dict[str, Any]:
    digital = recording.read(segment)
    record = _record(job, recording, segment, digital, source)
    archive, _ = _places(job, source, segment.index)
    part = archive.with_suffix(".part")
    try:
        data = encode_lml(
            digital,
            recording.rate_hz,
            bit_depth=recording.bit_depth,
            metadata=_lml_metadata(recording, segment),
        )
        provenance = {"content_sha256_lml": hashlib.sha256(data).hexdigest(), **_provenance(recording)}
        meta = LmaEntry("meta.json", _json({**record, **provenance}))
        write_lma(part, [LmaEntry(f"{record['stem']}.lml", data), meta])
    except (LmaError, ValueError) as error:
        # a limit of the archive format; its text must not carry the place of the work directory
        problem = str(error).replace(str(part), "archive")
        raise BadRecording(job.path, "archive", problem, "rename the file, or split the recording") from error
    _verify(job, part, record["stem"], digital)
    part.replace(archive)
    return record


def _verify(job: EncodeJob, archive: Path, stem: str, digital: NDArray[np.int32]) -> None:
    decoded = decode_lml(read_lma(archive).read(f"{stem}.lml"))
    if not np.array_equal(decoded.digital, digital):
        raise NotBitExact(f"{job.relative}: the archive does not decode to the source's samples")


def _places(job: EncodeJob, source: str, segment: int = 0) -> tuple[Path, Path]:
    """Returns where a segment's archive and the entries of its file are put."""
    parts = [SCHEMA, job.relative.as_posix(), job.stem, asdict(job.options), source]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    return job.done / f"{key}-{segment}.lma", job.done / f"{key}.json"


def _finished(job: EncodeJob, source: str) -> list[dict[str, Any]] | None:
    """Returns the entries of archives that an earlier attempt completed, if their bytes are still those."""
    _, entry = _places(job, source)
    try:
        saved = json.loads(entry.read_text())
    except (OSError, ValueError):
        return None
    found = [_source_sha256(_places(job, source, index)[0]) for index in range(len(saved["records"]))]
    return saved["records"] if saved["archives"] == found else None


def _record(
    job: EncodeJob, recording: EdfFile, segment: Segment, digital: NDArray[np.int32], source: str
) -> dict[str, Any]:
    of = len(recording.segments)
    stem = job.stem if of == 1 else f"{job.stem}__segment-{segment.index + 1}"
    return {
        "stem": stem,
        "archive": f"archives/{stem}.lma",
        "recording": job.stem,
        "segment": {"index": segment.index, "of": of, "onset_s": segment.onset_s},
        "left_out": [asdict(item) for item in recording.left_out],
        "repairs": [asdict(item) for item in recording.repairs],
        "evidence": evidence_of(job.relative, recording.patient_key),
        "channels": recording.channels,
        "n_channels": len(recording.channels),
        "rate_hz": recording.rate_hz,
        "n_samples": segment.n_samples,
        "duration_s": segment.n_samples / recording.rate_hz,
        "bit_depth": recording.bit_depth,
        "unit_scale": recording.scale.tolist(),
        "unit_offset": recording.offset.tolist(),
        "signal_sha256": signal_sha256(digital),
        "source_sha256": source,
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


def _write_corpus(
    session: PayloadSession,
    jobs: list[EncodeJob],
    records: list[dict[str, Any]],
    refused: list[dict[str, Any]],
    identity: str,
) -> None:
    archives = session.out / "archives"
    archives.mkdir(exist_ok=True)
    by_stem = {job.stem: job for job in jobs}
    for record in records:
        job, segment = by_stem[record["recording"]], record["segment"]["index"]
        finished, _ = _places(job, record["source_sha256"], segment)
        write_atomic(session.out / record["archive"], finished.read_bytes())
    corpus = {"schema": SCHEMA, "identity": identity, "recordings": records, "refused": refused}
    write_atomic(session.out / INDEX, _json(corpus))


def _facts(
    out: Path, records: list[dict[str, Any]], refused: list[dict[str, Any]], identity: str
) -> dict[str, Any]:
    raw = sum(record["n_channels"] * record["n_samples"] * record["bit_depth"] // 8 for record in records)
    stored = sum((out / record["archive"]).stat().st_size for record in records)
    return {
        "n_archives": len(records),
        "n_refused": len(refused),
        "n_subjects": len({patient_key(record["subject"]) for record in records}),
        "n_samples": sum(record["n_channels"] * record["n_samples"] for record in records),
        "duration_s": sum(record["duration_s"] for record in records),
        "compression_ratio": raw / stored,
        "identity": identity,
        "synthetic": any(record["synthetic"] for record in records),
    }


def _none_usable(root: Path, refused: list[dict[str, Any]]) -> str:
    lines = [f"{root}: none of the {len(refused)} recordings (*.edf, *.bdf) can be used:"]
    lines += [
        f"  {item['file']}: {item['field']}: {item['problem']}; {item['remedy']}"
        for item in refused[:SHOWN_REFUSALS]
    ]
    if len(refused) > SHOWN_REFUSALS:
        lines.append(f"  and {len(refused) - SHOWN_REFUSALS} more")
    lines.append("mend these files, or point `recordings` at another directory")
    return "\n".join(lines)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    main()
