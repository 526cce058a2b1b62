"""Declares the kind of data that this cookbook takes: `blut data add` reads every recording's header."""

from pathlib import Path

from blut_assets.datasets import DataKind, Inspection
from cookbooks.lamquant.formats.edf.header import BadRecording, read_header
from cookbooks.lamquant.formats.edf.names import SUFFIXES, find_recordings


def _recordings(path: Path) -> Inspection:
    files = find_recordings(path) if path.is_dir() else [path]
    if not files:
        raise ValueError("it holds no .edf or .bdf file, in it or below")
    problems, seconds = [], 0.0
    for file in files:
        try:
            header = read_header(file)
        except BadRecording as error:
            problems.append(str(error))
        else:
            seconds += header.n_records * header.record_duration_s
    counts = {"recordings": len(files) - len(problems), "seconds": round(seconds)}
    return Inspection(files, counts, problems, len(problems))


KINDS = (DataKind("recordings", "EDF and BDF recordings.", tuple(SUFFIXES), _recordings),)
