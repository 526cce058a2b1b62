"""A hundred odd files against what was written into them, and against what MNE and pyedflib read."""

import json
import re
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cookbooks.lamquant import data_kinds
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import EdfFile, ReadOptions, open_edf
from cookbooks.lamquant.formats.lma.archive import read_lma
from cookbooks.lamquant.formats.lml.container import decode_lml
from cookbooks.lamquant.payload import lma_encode
from tests.cookbooks.lamquant.edf_quirks import PEERS, QUIRKS, Quirk


def written(quirk: Quirk, index: int) -> NDArray[np.int64]:
    """The samples of a signal, of as many records as are whole."""
    digital = quirk.file.signals[index].digital
    assert digital is not None
    return digital[: sum(quirk.segments)].reshape(-1)


def whole(file: EdfFile) -> NDArray[np.int32]:
    return np.concatenate([file.read(segment) for segment in file.segments], axis=1)


@pytest.mark.parametrize("name", QUIRKS)
def test_what_was_written_is_read(name: str, tmp_path: Path) -> None:
    quirk = QUIRKS[name]
    path = tmp_path / "x.edf"
    path.write_bytes(quirk.file.bytes())
    if quirk.channels is None:
        with pytest.raises(BadRecording) as caught:
            open_edf(path)
        assert quirk.says in str(caught.value)
        return
    with open_edf(path) as file:
        assert file.channels == list(quirk.channels)
        assert [segment.n_records for segment in file.segments] == list(quirk.segments)
        assert len(file.repairs) == quirk.repairs, file.repairs
        digital = whole(file)
        for row, index in enumerate(quirk.channels.values()):
            assert np.array_equal(digital[row], written(quirk, index)), quirk.file.signals[index].label
        joined = [np.concatenate(list(file.blocks(one, 50)), axis=1) for one in file.segments]
        assert np.array_equal(np.concatenate(joined, axis=1), digital)
    if quirk.repairs:
        with pytest.raises(BadRecording, match="repair: record"):
            open_edf(path, ReadOptions(repair="refuse"))
    else:
        open_edf(path, ReadOptions(repair="refuse")).__exit__()


def test_a_record_without_a_time_begins_when_it_could_at_the_earliest(tmp_path: Path) -> None:
    onsets = {
        "records without a time at a gap": [0, 3, 4, 100],
        "a record without a time at a gap of EDF+C": [0, 2, 50],
        "EDF+D without a time at both ends": [5, 6, 7, 10],
        "records without a time before the beginning": [0, 1, 0],
    }
    for name, expected in onsets.items():
        (tmp_path / "x.edf").write_bytes(QUIRKS[name].file.bytes())
        with open_edf(tmp_path / "x.edf") as file:
            assert [one.onset_s for one in file.segments] == expected, name


Named = list[tuple[str, NDArray[Any]]]


def by_mne(path: Path) -> Named:
    """Microvolts."""
    import mne

    read = mne.io.read_raw_bdf if path.suffix == ".bdf" else mne.io.read_raw_edf
    raw = read(path, preload=True, encoding="latin-1", stim_channel=False, verbose="critical")
    return list(zip(raw.ch_names, raw.get_data() * 1e6, strict=True))


def by_pyedflib(path: Path) -> Named:
    """Digital integers."""
    import pyedflib

    with pyedflib.EdfReader(str(path)) as file:
        return [
            (file.getLabel(index), file.readSignal(index, digital=True))
            for index in range(file.signals_in_file)
        ]


def bare(label: str | bytes) -> str:
    text = label if isinstance(label, str) else label.decode("latin-1")
    return re.sub(r"-\d$", "", text.split("\0")[0].strip())


def outcome(quirk: Quirk, path: Path, read: Any) -> str:
    """How another reader stands to what Blut reads: same, refuses, reads or differs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Named = read(path)
    except Exception:
        return "same" if quirk.channels is None else "refuses"
    if quirk.channels is None:
        return "reads"
    with open_edf(path) as file:
        digital = whole(file)
        ours = digital if read is by_pyedflib else digital * file.scale[:, None] + file.offset[:, None]
    for row, index in zip(ours, quirk.channels.values(), strict=True):
        label = bare(quirk.file.signals[index].label)
        at = next((k for k, (name, _) in enumerate(found) if bare(name) == label), None)
        if at is None:
            return "differs"
        _, theirs = found.pop(at)
        if theirs.shape != row.shape or not np.allclose(theirs, row, rtol=1e-6, atol=1e-6):
            return "differs"
    return "same"


@pytest.mark.parametrize("read", [by_mne, by_pyedflib])
def test_where_other_readers_disagree_is_known(
    read: Any, tmp_path: Path, record_testsuite_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = read.__name__.removeprefix("by_")
    found = {}
    for number, (name, quirk) in enumerate(QUIRKS.items()):
        path = tmp_path / f"{number}.{'edf' if quirk.file.width == 2 else 'bdf'}"
        path.write_bytes(quirk.file.bytes())
        found[name] = outcome(quirk, path, read)
    expected = {name: reason.split(":")[0] for reason, names in PEERS[peer].items() for name in names}
    assert found == {name: expected.get(name, "same") for name in QUIRKS}
    counts = Counter(found.values())
    record_testsuite_property(f"{peer} of {len(QUIRKS)}", dict(counts))
    with capsys.disabled():
        print(f"\n{len(QUIRKS)} files, {peer}: {dict(counts.most_common())}")


def test_archives_hold_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file, through the encoder, to its archive, and back: the bytes that the writer put there.

    What is refused, `blut data add` refuses in the same words.
    """
    (tmp_path / "in").mkdir()
    for number, quirk in enumerate(QUIRKS.values()):
        (tmp_path / f"in/{number:03}.edf").write_bytes(quirk.file.bytes())
    frozen: dict[str, Any] = {"schema": 1, "fingerprint": "f", "config": {"workers": 1}}
    frozen |= {"inputs": {"recordings": str(tmp_path / "in")}}
    frozen |= {"out": str(tmp_path / "out"), "work": str(tmp_path / "work")}
    (tmp_path / "frozen.json").write_text(json.dumps(frozen))
    monkeypatch.setattr(sys, "argv", ["lma_encode", "--config", str(tmp_path / "frozen.json")])
    lma_encode.main()

    index = read_corpus(tmp_path / "out")
    kind = data_kinds.KINDS[0]
    assert sorted(kind.inspect(tmp_path / "in").problems) == sorted(
        "{}/{file}: {field}: {problem}; {remedy}".format(tmp_path / "in", **one) for one in index["refused"]
    )
    entries = index["recordings"]
    found: dict[str, list[Any]] = {}
    for entry in sorted(entries, key=lambda one: one["segment"]["index"]):
        found.setdefault(entry["recording"], []).append(entry)
    for number, quirk in enumerate(QUIRKS.values()):
        parts = found.get(f"{number:03}", [])
        assert len(parts) == (len(quirk.segments) if quirk.channels else 0)
        for entry, n_records, first in zip(
            parts, quirk.segments, np.cumsum([0, *quirk.segments]), strict=False
        ):
            archive = read_lma(tmp_path / "out" / entry["archive"])
            digital = decode_lml(archive.read(entry["entry"])).digital
            assert entry["channels"] == list(quirk.channels or ())
            for row, index in zip(digital, (quirk.channels or {}).values(), strict=True):
                source = quirk.file.signals[index].digital
                assert source is not None
                assert np.array_equal(row, source[first : first + n_records].reshape(-1))
