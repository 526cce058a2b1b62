"""Declares the kind of data that this cookbook takes: `blut data add` opens recordings as encoding does."""

import tempfile
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from blut_assets.datasets import DataKind, Inspection
from blut_resources.text import one_line
from cookbooks.lamquant.formats.edf.discovery import LOOKED_FOR, SUFFIXES, find_recordings
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.table import people_in

ARCHIVES = LOOKED_FOR["lma"]


def _recordings(path: Path) -> Inspection:
    # numpy is imported here: definitions are loaded without it
    from cookbooks.lamquant.formats.edf.recording import BadRecording, open_edf

    names, passed_over = find_recordings(path) if path.is_dir() else ([""], [])
    if not names and not passed_over:
        raise ValueError("it holds no .edf or .bdf file, also with .gz, in it or below")
    files = [path / name for name in names]
    problems = [f"{one_line(path)}/{one.file}: {one.problem}; {one.remedy}" for one in passed_over]
    counts: Counter[str] = Counter(recordings=0)
    seconds = 0.0
    for file in files:
        try:
            with open_edf(file) as recording:
                seconds += recording.duration_s
                counts["recordings"] += 1
                counts["segments"] += len(recording.segments)
                counts["mended"] += bool(recording.repairs)
                counts["left_out_channels"] += len(recording.left_out)
        except BadRecording as error:
            problems.append(str(error))
    return Inspection(files, {**counts, "seconds": round(seconds)}, problems, len(problems))


def _tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns who the recordings are of, by their headers and paths; their content is compared in a split."""
    names = find_recordings(path)[0] if path.is_dir() else [path.name]
    base = path if path.is_dir() else path.parent
    entries = [
        {"stem": name, "evidence": evidence_of(PurePosixPath(name), *_patient(base / name))} for name in names
    ]
    return people_in(entries)


def _patient(file: Path) -> tuple[str | None, str | None]:
    from cookbooks.lamquant.formats.edf.recording import BadRecording, open_edf

    try:
        with open_edf(file) as recording:
            return recording.patient
    except BadRecording:
        return None, None


def _archives(path: Path) -> Inspection:
    """Verify archives as the corpus does: all of their samples are decoded."""
    from cookbooks.lamquant.encoding.archives import ArchiveJob, take_archive

    names, passed_over = find_recordings(path, ARCHIVES) if path.is_dir() else ([path.name], [])
    base = path if path.is_dir() else path.parent
    if not names and not passed_over:
        raise ValueError("it holds no .lma or .lml file, in it or below")
    problems = [f"{one_line(path)}/{one.file}: {one.problem}; {one.remedy}" for one in passed_over]
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            job = ArchiveJob(base / name, "", PurePosixPath(name), "", name, None, 0, Path(scratch))
            found = take_archive(job, lambda _: None)
            records += found.get("records", [])
            bad = [*found.get("unusable", []), *([found["refused"]] if "refused" in found else [])]
            problems += [one_line("{file}: {field}: {problem}; {remedy}".format(**one)) for one in bad]
    seconds = round(sum(record["duration_s"] for record in records))
    counts = {"archives": len(names), "recordings": len(records), "seconds": seconds}
    return Inspection([base / name for name in names], counts, problems, len(problems))


KINDS = (
    DataKind("recordings", "EDF and BDF recordings.", SUFFIXES, _recordings, _tables),
    DataKind("archives", "LMA and LML archives of recordings.", ARCHIVES, _archives),
)
