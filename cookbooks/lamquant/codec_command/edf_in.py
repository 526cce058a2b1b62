"""Takes a recording for encoding: its EEG, every other signal exactly, and what stands beside them.

Without the identity what can name a person stays behind: the fields for it, start date and time, the texts of
annotations, signals that hold text, and whatever of a label, a transducer or a filter repeats such a word.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from cookbooks.lamquant.annotations.vocabulary import Vocabulary
from cookbooks.lamquant.codec_command.fields import as_json, channel_of, number_text
from cookbooks.lamquant.codec_command.marks import TooMany, annotations_of
from cookbooks.lamquant.codec_command.mended import in_words
from cookbooks.lamquant.formats.edf.channels import choose
from cookbooks.lamquant.formats.edf.header import IDENTITY, number_of, text_of
from cookbooks.lamquant.formats.edf.layout import Slot
from cookbooks.lamquant.formats.edf.nameless import telling
from cookbooks.lamquant.formats.edf.parts import Parts, closed_on_error, open_parts
from cookbooks.lamquant.formats.edf.problems import BadRecording, Repair
from cookbooks.lamquant.formats.edf.samples import Samples
from cookbooks.lamquant.formats.edf.timekeeping import find_segments
from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader, Gap
from cookbooks.lamquant.lqc.signals import MAX_CHANNELS, SignalSource

FACTS = "edf"
"""Of a header's facts: what an EDF file says beside its samples and channels."""
LEFT_OUT, EXACT = "left_out", "exact"
"""Of a header's facts: signals that are not in the file, and the numbers of those that are kept exactly."""
REPAIRED = "repaired"
"""Of a header's facts: what of the recording was repaired, in words."""
NAMES_A_PERSON = "could name a person"
_NUMBER = re.compile(r"\d{4,}")


@dataclass(frozen=True)
class SignalsWanted:
    """Says what of a recording is taken: who it is of, and other signals than EEG."""

    identity: bool = False
    only_eeg: bool = False
    eeg_needed: bool = True


@dataclass(frozen=True)
class Taken:
    """Holds an open recording as it is coded: its signals, and what a .lqc file says beside them."""

    signals: tuple[SignalSource, ...]
    about: FileHeader
    sample_bytes: int
    raw_bytes: int
    repairs: tuple[Repair, ...]


@dataclass(frozen=True)
class _Group:
    slots: list[Slot]
    lossy: bool


@contextlib.contextmanager
def taken(path: Path, wanted: SignalsWanted, vocabulary: Vocabulary) -> Iterator[Taken]:
    """Open a recording, EDF or BDF, also in gzip, for as long as it is coded.

    Raises:
        BadRecording: it cannot be read, or holds nothing that is wanted.
    """
    parts = open_parts(path, "record", None)
    with closed_on_error(path, parts.file), parts.file:
        yield _taken(path, parts, wanted, vocabulary)


def _taken(path: Path, parts: Parts, wanted: SignalsWanted, vocabulary: Vocabulary) -> Taken:
    eeg = _eeg(path, parts, wanted.eeg_needed)
    words = frozenset() if wanted.identity else _words(parts)
    left_out = _left_out(parts.signals, eeg, wanted)
    groups = _groups([slot for slot in parts.signals if slot.index not in left_out], eeg)
    if not groups:
        raise BadRecording(path, "signals", "none is left to be coded", "give other options")
    segments = [_segments(parts, group.slots[0].samples) for group in groups]
    gaps = [
        Gap(at, seconds, number)
        for number, found in enumerate(segments)
        for at, seconds in _gaps(parts, found)
    ]
    begin_s = segments[0][0].onset_s
    try:
        annotations = annotations_of(
            parts.lists.annotations(strict=False), begin_s, vocabulary, keep_text=wanted.identity
        )
    except TooMany as error:
        raise BadRecording(
            path, "annotations", str(error), "see whether they are annotations at all"
        ) from None
    return Taken(
        signals=tuple(_signal(path, parts, group, words) for group in groups),
        about=FileHeader(
            (),
            gaps=tuple(gaps),
            annotations=annotations,
            facts=_facts(parts, groups, left_out, words, wanted.identity, begin_s),
            identity=wanted.identity,
        ),
        sample_bytes=parts.layout.sample_bytes,
        raw_bytes=sum(s.n_bytes for group in groups for s in group.slots) * parts.layout.n_records,
        repairs=tuple(parts.repairs.made),
    )


def _eeg(path: Path, parts: Parts, needed: bool) -> frozenset[int]:
    """Returns the indices of the signals that are EEG."""
    try:
        channels, _ = choose(path, parts.signals, parts.duration_s, (), (), parts.repairs)
    except BadRecording as bad:
        if needed:
            remedy = f"{bad.remedy}; with --max-error 0 every signal is kept exactly, whatever it is"
            raise BadRecording(path, bad.field, bad.problem, remedy) from None
        return frozenset()
    return frozenset(channel.slot.index for channel in channels)


def _left_out(signals: Sequence[Slot], eeg: frozenset[int], wanted: SignalsWanted) -> dict[int, str]:
    """Returns why signals are not coded, by their indices."""
    found = {}
    for slot in signals:
        if wanted.only_eeg and slot.index not in eeg:
            found[slot.index] = "is not EEG"
        elif slot.holds_text and not wanted.identity:
            found[slot.index] = f"holds text, which {NAMES_A_PERSON}"
    return found


def _groups(slots: Sequence[Slot], eeg: frozenset[int]) -> list[_Group]:
    """Put signals of one rate together, EEG apart from all others and before them."""
    found: dict[tuple[bool, int], list[Slot]] = {}
    for slot in slots:
        if slot.samples:
            found.setdefault((slot.index not in eeg, slot.samples), []).append(slot)
    return [
        _Group(slots[at : at + MAX_CHANNELS], not other)
        for (other, _), slots in sorted(found.items(), key=lambda one: (one[0][0], -one[0][1]))
        for at in range(0, len(slots), MAX_CHANNELS)
    ]


def _segments(parts: Parts, samples: int) -> Sequence[Any]:
    records = parts.layout.n_records
    return find_segments(parts.onsets, records, parts.duration_s, samples, says_gaps=parts.says_gaps)


def _gaps(parts: Parts, segments: Sequence[Any]) -> Iterator[tuple[int, float]]:
    """Yields the first sample behind each gap, and the seconds without a record before it."""
    end_s = at = 0.0
    for number, segment in enumerate(segments):
        if number and segment.onset_s > end_s:
            yield int(at), segment.onset_s - end_s
        at += segment.n_samples
        end_s = segment.onset_s + segment.n_records * parts.duration_s


def _signal(path: Path, parts: Parts, group: _Group, words: frozenset[str]) -> SignalSource:
    samples = Samples(path, parts.file.fileno(), parts.layout, group.slots)
    per_record = group.slots[0].samples
    return SignalSource(
        rate_hz=per_record / parts.duration_s,
        n_samples=per_record * parts.layout.n_records,
        channels=tuple(_channel(slot, words) for slot in group.slots),
        read=lambda start, stop: samples.read(0, start, stop),
        exact=not group.lossy,
    )


def _channel(slot: Slot, words: frozenset[str]) -> ChannelFacts:
    return channel_of(_nameless(slot.raw, slot.index, words))


def _nameless(raw: Mapping[str, bytes], index: int, words: frozenset[str]) -> dict[str, bytes]:
    """Returns the fields of a signal without those that repeat what names a person."""
    blank = {"label": f"signal {index}".encode()}
    return {name: blank.get(name, b"") if _tells(text, words) else text for name, text in raw.items()}


def _tells(raw: bytes, words: frozenset[str]) -> bool:
    text = raw.decode("latin-1").casefold()
    return any(word in re.findall(r"[^\W\d_]+|\d+", text) for word in words) if words else False


def _words(parts: Parts) -> frozenset[str]:
    """Returns the words and numbers that tell who the recording is of, and who made it."""
    patient, recording = (parts.fields.raw[name].decode("latin-1") for name in ("patient", "recording"))
    made_by = recording.split()[2:4] if recording[:9].casefold() == "startdate" else []
    staff = telling(f"x x x {' '.join(made_by)}") if made_by else frozenset()
    return telling(patient) | frozenset(_NUMBER.findall(patient)) | staff


def _facts(
    parts: Parts,
    groups: Sequence[_Group],
    left_out: Mapping[int, str],
    words: frozenset[str],
    identity: bool,
    begin_s: float,
) -> dict[str, Any]:
    raw = parts.fields.raw
    reserved = as_json(raw["reserved"])
    about: dict[str, Any] = {
        "kind": parts.fields.kind,
        "records": parts.layout.n_records,
        "duration": _duration_text(parts),
        "reserved": reserved if identity else reserved[:5] if reserved[:4] in ("EDF+", "BDF+") else "",
        "signals": _places(parts, groups, left_out, words),
    }
    if onsets := _onset_runs(parts):
        about["onsets"] = onsets
    if begin_s:
        about["begin_s"] = begin_s
    if identity:
        about["identity"] = {name: as_json(raw[name]) for name in IDENTITY}
    shown = [
        [text_of(_nameless(s.raw, s.index, words)["label"]), left_out[s.index]]
        for s in parts.signals
        if s.index in left_out
    ]
    exact = [number for number, group in enumerate(groups) if not group.lossy]
    mended = in_words(parts.repairs.made, parts.duration_s)
    optional = {LEFT_OUT: shown, REPAIRED: mended}
    return {FACTS: about, EXACT: exact} | {name: value for name, value in optional.items() if value}


def _duration_text(parts: Parts) -> str:
    said = text_of(parts.fields.raw["duration of a data record"])
    return said if number_of(said.encode()) == (parts.duration_s, True) else number_text(parts.duration_s)


def _places(
    parts: Parts, groups: Sequence[_Group], left_out: Mapping[int, str], words: frozenset[str]
) -> list[Any]:
    """Returns for each signal of the file its group and channel, or the fields of one that has no samples."""
    places = {
        slot.index: [number, row]
        for number, group in enumerate(groups)
        for row, slot in enumerate(group.slots)
    }
    return [
        places.get(slot.index)
        or {
            "samples": slot.samples,
            "fields": {k: as_json(v) for k, v in _nameless(slot.raw, slot.index, words).items() if v.strip()},
        }
        for slot in parts.layout.slots
        if slot.index not in left_out
    ]


def _onset_runs(parts: Parts) -> list[list[Any]]:
    """Returns the first record of each run that follows in time, and when it begins, as the file says it.

    A run of records that do not say when they begin has None.
    """
    duration, runs = Decimal(repr(parts.duration_s)), list[list[Any]]()
    expected: Decimal | None = None
    for record, onset in enumerate(parts.onsets):
        if onset is None:
            if not runs or runs[-1][1] is not None:
                runs.append([record, None])
            expected = None
            continue
        said = Decimal(f"{onset.seconds:.{onset.decimals}f}")
        if expected is None or abs(said - expected) >= Decimal(1).scaleb(-onset.decimals):
            runs.append([record, f"{said:+}"])
            expected = said
        expected += duration
    return runs
