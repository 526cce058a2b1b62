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
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np

from blut_resources.files.foreign import open_regular
from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.formats.corpus import INDEX, SCHEMA
from cookbooks.lamquant.formats.edf.names import stems_of
from cookbooks.lamquant.formats.edf.recording import BadRecording, EdfRecording, find_recordings, read_edf
from cookbooks.lamquant.formats.lma.archive import LmaError, read_lma
from cookbooks.lamquant.formats.lma.writer import LmaEntry, write_lma
from cookbooks.lamquant.formats.lml.container import decode_lml, encode_lml, signal_sha256
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.join import units
from cookbooks.lamquant.subjects.names import patient_key, pseudonym

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
    keep_identity: bool
    done: Path


@dataclass(frozen=True)
class EncodeSettings:
    """Holds what `LmaCorpusConfig` says."""

    identity: Literal["strip", "keep"] = "strip"
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
        keep_identity = settings.identity == "keep"
        if not root.is_dir():
            raise Refused(f"{root}: not a directory; point `recordings` at the one that holds the files")
        jobs = _jobs(root, session.work / "encoded", keep_identity)[: settings.limit]
        if not jobs:
            raise Refused(
                f"{root}: no recordings: looked for *.edf and *.bdf, in any case, in every directory below; "
                "point `recordings` at the directory that holds them"
            )
        outcomes = _encode_all(session, jobs, settings.workers)
        records = _with_subjects([outcome["record"] for outcome in outcomes if "record" in outcome])
        refused = [outcome["refused"] for outcome in outcomes if "refused" in outcome]
        if not records:
            raise Refused(_none_usable(root, refused))
        _write_corpus(session, jobs, records, refused, IDENTITY[settings.identity])
        session.done(**_facts(session.out, records, refused, IDENTITY[settings.identity]))


def _jobs(root: Path, done: Path, keep_identity: bool) -> list[EncodeJob]:
    done.mkdir(parents=True, exist_ok=True)
    paths = find_recordings(root)
    relatives = [PurePosixPath(path.relative_to(root).as_posix()) for path in paths]
    stems = stems_of(relatives)
    return [
        EncodeJob(path, relative, stems[relative], keep_identity, done)
        for path, relative in zip(paths, relatives, strict=True)
    ]


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
    """Returns ``{"record": corpus entry}`` with the archive in ``job.done``, or ``{"refused": reason}``.

    Raises:
        NotBitExact: the archive does not decode to the source's samples.
    """
    try:
        source = _source_sha256(job.path)
        if source is not None and (record := _finished(job, source)):
            return {"record": record}
        recording = read_edf(job.path, keep_identity=job.keep_identity)
        return {"record": _encode(job, recording, source or "")}
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


def _encode(job: EncodeJob, recording: EdfRecording, source: str) -> dict[str, Any]:
    record = _record(job, recording, source)
    archive, entry = _places(job, source)
    part = archive.with_suffix(".part")
    try:
        data = encode_lml(
            recording.digital,
            recording.rate_hz,
            bit_depth=recording.bit_depth,
            metadata=_lml_metadata(recording),
        )
        provenance = {"content_sha256_lml": hashlib.sha256(data).hexdigest(), **_provenance(recording)}
        meta = LmaEntry("meta.json", _json({**record, **provenance}))
        write_lma(part, [LmaEntry(f"{job.stem}.lml", data), meta])
    except (LmaError, ValueError) as error:
        # a limit of the archive format; its text must not carry the place of the work directory
        problem = str(error).replace(str(part), "archive")
        raise BadRecording(job.path, "archive", problem, "rename the file, or split the recording") from error
    _verify(job, part, recording)
    part.replace(archive)
    # Written last: an entry means that its archive is complete.
    write_atomic(entry, _json({"record": record, "archive_sha256": _source_sha256(archive)}))
    return record


def _verify(job: EncodeJob, archive: Path, recording: EdfRecording) -> None:
    decoded = decode_lml(read_lma(archive).read(f"{job.stem}.lml"))
    if not np.array_equal(decoded.digital, recording.digital):
        raise NotBitExact(f"{job.relative}: the archive does not decode to the source's samples")


def _places(job: EncodeJob, source: str) -> tuple[Path, Path]:
    parts = [SCHEMA, job.relative.as_posix(), job.stem, job.keep_identity, source]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    return job.done / f"{key}.lma", job.done / f"{key}.json"


def _finished(job: EncodeJob, source: str) -> dict[str, Any] | None:
    """Returns the entry of an archive that an earlier attempt completed, if its bytes are still those."""
    archive, entry = _places(job, source)
    try:
        saved = json.loads(entry.read_text())
    except (OSError, ValueError):
        return None
    return saved["record"] if saved["archive_sha256"] == _source_sha256(archive) else None


def _record(job: EncodeJob, recording: EdfRecording, source: str) -> dict[str, Any]:
    code = recording.patient_code
    return {
        "stem": job.stem,
        "archive": f"archives/{job.stem}.lma",
        "evidence": evidence_of(job.relative, None if code is None else pseudonym(code)),
        "channels": recording.channels,
        "n_channels": len(recording.channels),
        "rate_hz": recording.rate_hz,
        "n_samples": recording.n_samples,
        "duration_s": recording.duration_s,
        "bit_depth": recording.bit_depth,
        "unit_scale": recording.scale.tolist(),
        "unit_offset": recording.offset.tolist(),
        "signal_sha256": signal_sha256(recording.digital),
        "source_sha256": source,
        "synthetic": recording.synthetic,
    }


def _lml_metadata(recording: EdfRecording) -> dict[str, Any]:
    """Returns metadata under the key names that LML1 files in the wild use,
    so that other readers find them.
    """
    names = ("dig_min", "dig_max", "phys_min", "phys_max", "phys_dim")
    columns = dict(zip(names, map(list, zip(*recording.ranges, strict=True)), strict=True))
    metadata = {
        "format": recording.kind,
        "channels": recording.channels,
        "n_data_records": recording.n_records,
        "record_duration": recording.record_duration_s,
        "duration_s": recording.duration_s,
        "synthetic": recording.synthetic,
        **columns,
    }
    if recording.identity is not None:
        metadata["patient_id"] = recording.identity["patient"]
        metadata["recording_info"] = recording.identity["recording"]
        metadata["startdate"] = f"{recording.identity['start date']} {recording.identity['start time']}"
    return metadata


def _provenance(recording: EdfRecording) -> dict[str, Any]:
    return {
        "identity": "stripped" if recording.identity is None else "kept",
        "identity_fields": recording.identity or {},
        "left_out": [{"label": item.label, "reason": item.reason} for item in recording.left_out],
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
        finished, _ = _places(by_stem[record["stem"]], record["source_sha256"])
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
