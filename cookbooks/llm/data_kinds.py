"""Declares the kinds of data that this cookbook takes; `blut data add` looks at them without a tokenizer."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blut_assets.datasets import DataKind, Inspection
from cookbooks.llm.data.files import SUFFIXES, data_files
from cookbooks.llm.data.formats import Normaliser
from cookbooks.llm.data.preferences import PreferenceNormaliser
from cookbooks.llm.data.problems import Problem, Problems, RowError
from cookbooks.llm.data.reading import read_rows

Normalise = Callable[[dict[str, Any], str], dict[str, Any]]


def _rows(path: Path, normalise: Normalise) -> Inspection:
    """Returns rows that can be learned, told from those that cannot, each with its place."""
    files, problems, good = data_files(path), Problems(), 0
    for row in read_rows(path, files):
        if isinstance(row, Problem):
            problems.add(row)
            continue
        try:
            normalise(row.value, f"{row.file}:{row.line}")
            good += 1
        except RowError as error:
            problems.add(error.at(row.file, row.line))
    counts = Counter(rows=good, **{_key(kind): n for kind, n in problems.counts.items()})
    return Inspection(files, counts, [str(one) for one in problems.kept], problems.total)


def _key(kind: str) -> str:
    return "unusable_" + re.sub(r"\W+", "_", kind.lower())


def _examples(path: Path) -> Inspection:
    return _rows(path, Normaliser())


def _preferences(path: Path) -> Inspection:
    return _rows(path, PreferenceNormaliser())


KINDS = (
    DataKind("examples", "Text, prompts, messages, ShareGPT or Alpaca rows.", SUFFIXES, _examples),
    DataKind("preferences", "Pairs of a chosen and a rejected answer.", SUFFIXES, _preferences),
)
