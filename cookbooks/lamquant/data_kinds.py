"""Declares the kind of data that this cookbook takes: `blut data add` opens recordings as encoding does."""

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from blut_assets.datasets import DataKind, Inspection
from blut_resources.text import one_line
from cookbooks.lamquant.formats.edf.discovery import SUFFIXES, find_recordings
from cookbooks.lamquant.subjects.evidence import evidence_of
from cookbooks.lamquant.subjects.table import people_in


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
        {"stem": name, "evidence": evidence_of(PurePosixPath(name), _patient(base / name))} for name in names
    ]
    return {"subjects": people_in(entries)}


def _patient(file: Path) -> str | None:
    from cookbooks.lamquant.formats.edf.recording import BadRecording, open_edf

    try:
        with open_edf(file) as recording:
            return recording.patient_key
    except BadRecording:
        return None


KINDS = (DataKind("recordings", "EDF and BDF recordings.", SUFFIXES, _recordings, _tables),)
