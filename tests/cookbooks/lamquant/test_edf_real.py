"""Files of other people, as they are found in packages: every header of CHB-MIT, TUH, Siena and SeizeIT."""

import tarfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blut_resources.payload_kit.pinned import Package, fetch
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import ReadOptions, open_edf

PACKAGES = (
    Package(
        "epilepsy2bids==0.0.7",
        "epilepsy2bids-0.0.7.tar.gz",
        "857bb6d94cdd82ed74a20e631b96cd36ed25b70882759bdaf66ae076a563664d",
        backend="hatchling.build",
    ),
    Package(
        "pyedflib==0.1.42",
        "pyedflib-0.1.42.tar.gz",
        "39f35c60ce213f23ee954f89117f79b2adb5ef4894500fd9bf0f9298fb240efc",
        backend="setuptools.build_meta",
    ),
)
NO_EEG = {"test_generator", "test_generator_datarec_generator_0_5", "test_generator_datarec_generator_2"}
NO_EEG |= {"test_legacy"}
"""Generated signals that are called sine, square, ramp or noise."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Fetched and digested before they are opened; nothing that they say they are built with runs."""
    root = tmp_path_factory.mktemp("packages")
    for package in PACKAGES:
        with tarfile.open(fetch(package, root / "fetched")) as packed:
            wanted = [one for one in packed if one.name.lower().endswith((".edf", ".bdf"))]
            packed.extractall(root, wanted, filter="data")
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in (".edf", ".bdf"))


def by_pyedflib(path: Path) -> Iterator[tuple[str, Any]]:
    import pyedflib

    with pyedflib.EdfReader(str(path)) as file:
        for index in range(file.signals_in_file):
            yield file.getLabel(index).strip(), file.readSignal(index, digital=True)


@pytest.mark.heavy
@pytest.mark.slow
def test_real_headers_are_read_as_another_reader_reads_them(files: list[Path]) -> None:
    """What is taken, and what is left out when it is asked for, agrees sample by sample."""
    counts: Counter[str] = Counter()
    for path in files:
        theirs = list(by_pyedflib(path))
        labels = tuple(dict.fromkeys(label for label, _ in theirs if label))
        for options in (ReadOptions(), ReadOptions(channels=labels)):
            try:
                with open_edf(path, options) as file, warnings.catch_warnings():
                    assert len(file.segments) == 1
                    digital = file.read(file.segments[0])
                    names = [slot.label for slot in file._samples._slots]
            except BadRecording:
                assert path.stem in NO_EEG and not options.channels, path
                counts["refused: no EEG"] += 1
                continue
            counts["asked for by name" if options.channels else "read"] += 1
            left = list(theirs)
            for name, row in zip(names, digital, strict=True):
                at = next(k for k, (label, _) in enumerate(left) if label == name)
                assert np.array_equal(left.pop(at)[1], row), (path, name)
                counts["channels"] += 1
    assert len(files) == 319
    assert counts["read"] == 313 and counts["refused: no EEG"] == 6
    assert counts["asked for by name"] == 319
    assert counts["channels"] > 10_000
