"""Reads a .lqc file as `mne.io.Raw`: samples are decoded when they are asked for. Needs the extra ``mne``."""

import functools
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mne
import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.codec_command.edf_in import EXACT, FACTS
from cookbooks.lamquant.codec_command.pairs import scaling
from cookbooks.lamquant.codec_command.recorded import Recorded, open_recorded
from cookbooks.lamquant.lqc.container.header import FileHeader

_KINDS = (
    ("ecg", re.compile(r"\b(ecg|ekg)", re.IGNORECASE)),
    ("eog", re.compile(r"eog|\b(loc|roc)\b", re.IGNORECASE)),
    ("emg", re.compile(r"emg|\bchin\b", re.IGNORECASE)),
    ("stim", re.compile(r"^(status|stim|trig)", re.IGNORECASE)),
    ("resp", re.compile(r"^(resp|airflow|thor|abd)", re.IGNORECASE)),
)
_OPEN = 4
"""Files that stay open for the next stretch that is read."""


def read_raw_lqc(path: str | Path, model: str | None = None, *, preload: bool = False) -> "RawLqc":
    """Returns the channels of a .lqc file that have the rate of its EEG, in volts.

    Gaps are marked ``BAD boundary``; annotations are described by what was written of them, else by their
    class. There is a measurement date where the file keeps it.

    Args:
        path: the file.
        model: as ``blut codec decode --model`` takes it; what the file names, out of the store, if None.
        preload: whether all is decoded at once.

    Raises:
        NoModel: the checkpoint that it needs is not there.
        LqcError: the file is damaged.
    """
    return RawLqc(Path(path), model, preload)


class RawLqc(mne.io.BaseRaw):
    """Holds a .lqc file as MNE sees a recording."""

    def __init__(self, path: Path, model: str | None, preload: bool) -> None:
        recorded = _recorded(str(path.resolve()), model)
        rate = recorded.signals[0].rate_hz
        signals = [number for number, one in enumerate(recorded.signals) if one.rate_hz == rate]
        channels = [(n, c) for n in signals for c in recorded.signals[n].channels]
        others = [c.label for n, one in enumerate(recorded.signals) if n not in signals for c in one.channels]
        if others:
            mne.utils.warn(f"not read, of another rate: {', '.join(others)}")
        names = [channel.label or f"ch{at}" for at, (_, channel) in enumerate(channels, 1)]
        exact = set(recorded.header.facts.get(EXACT, []))
        types = [_kind_of(channel.label, number in exact) for number, channel in channels]
        info = mne.create_info(_unique(names), rate, types)  # pyright: ignore[reportArgumentType]
        super().__init__(
            info,
            preload=preload,
            filenames=[path],
            last_samps=[recorded.signals[0].n_samples - 1],
            raw_extras=[{"path": str(path.resolve()), "model": model, "signals": signals}],
        )
        self.set_meas_date(_date(recorded.header))
        self.set_annotations(_annotations(recorded.header, rate))

    def _read_segment_file(
        self,
        data: NDArray[np.float64],
        idx: slice | NDArray[np.intp],
        fi: int,
        start: int,
        stop: int,
        cals: NDArray[np.float64] | None,
        mult: NDArray[np.float64] | None,
    ) -> None:
        extra = self._raw_extras[fi]
        recorded = _recorded(extra["path"], extra["model"])
        rows = []
        for number in extra["signals"]:
            digital = recorded.read(start, stop, number)
            for row, channel in zip(digital, recorded.signals[number].channels, strict=True):
                scale, offset, unit = scaling(channel)
                rows.append((row * scale + offset) * (1e-6 if unit == "uV" else 1.0))
        block = np.stack(rows)
        if mult is not None:
            data[:] = mult @ block
            return
        data[:] = block[idx]
        if cals is not None:
            data *= cals


@functools.lru_cache(maxsize=_OPEN)
def _recorded(path: str, model: str | None) -> Recorded:
    return open_recorded(Path(path), model)


def _kind_of(label: str, is_exact: bool) -> str:
    if not is_exact:
        return "eeg"
    return next((kind for kind, pattern in _KINDS if pattern.search(label)), "misc")


def _unique(names: list[str]) -> list[str]:
    return [
        f"{name}-{names[:at].count(name)}" if names.count(name) > 1 else name for at, name in enumerate(names)
    ]


def _date(header: FileHeader) -> datetime | None:
    """Returns when the recording began; two digits of a year are those of EDF, 1985 to 2084."""
    kept: Mapping[str, Any] = header.facts.get(FACTS, {}).get("identity", {})
    found = re.findall(r"\d\d", f"{kept.get('start date', '')} {kept.get('start time', '')}")
    if len(found) != 6:
        return None
    day, month, year, hour, minute, second = map(int, found)
    try:
        return datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _annotations(header: FileHeader, rate: float) -> mne.Annotations:
    gaps = [(gap.start_sample / rate, gap.seconds) for gap in header.gaps if gap.group == 0]
    onsets = [_without_gaps(one.onset_s, gaps) for one in header.annotations]
    durations = [one.duration_s or 0.0 for one in header.annotations]
    texts = [one.text or one.kind for one in header.annotations]
    return mne.Annotations(
        [*onsets, *(at for at, _ in gaps)],
        [*durations, *(0.0 for _ in gaps)],
        [*texts, *("BAD boundary" for _ in gaps)],
    )


def _without_gaps(onset_s: float, gaps: list[tuple[float, float]]) -> float:
    """Returns where a time lies among the samples: within a gap, at its end."""
    for at, seconds in gaps:
        if onset_s < at:
            break
        onset_s = max(at, onset_s - seconds)
    return onset_s
