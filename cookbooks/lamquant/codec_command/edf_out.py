"""Writes what a .lqc file holds as EDF or BDF: with its own header, or with one that suits the samples."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.codec_command.edf_in import FACTS
from cookbooks.lamquant.codec_command.fields import DIGITAL, fields_of, from_json, number_text
from cookbooks.lamquant.codec_command.recorded import Recorded
from cookbooks.lamquant.formats.edf.header import integer_of
from cookbooks.lamquant.formats.edf.tal_writer import LaidOut, TalMark, lay_out_marks
from cookbooks.lamquant.formats.edf.writer import SAMPLE_BYTES, Outline, RecordWriter, Unwritable
from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader
from cookbooks.lamquant.lqc.decode import Described

Kind = Literal["EDF", "BDF"]
NOBODY = {
    "patient": b"X X X X",
    "recording": b"Startdate X X X X",
    "start date": b"01.01.85",
    "start time": b"00.00.00",
}
"""What EDF+ asks to be written where nothing is known."""
AT_ONCE = 1 << 20
"""Values that are decoded and written at a time."""
MOST_OF_A_LIST = 1 << 22
"""Samples of an annotation signal in a data record."""
_LIMITS = {"EDF": 32768, "BDF": 8388608}
_LISTS = {"physical minimum": b"-1", "physical maximum": b"1"}


class CannotWrite(Exception):
    """Says why a recording is none that the format can hold, and what to write instead."""


@dataclass(frozen=True)
class _Plan:
    """Says how a file is laid out: for each of its signals where its samples are, or which list it is."""

    outline: Outline
    places: Sequence[tuple[int, int] | int]
    lists: LaidOut | None
    padding: Mapping[int, int]


def kind_of(decoder: Recorded) -> Kind:
    """Returns the format that holds the samples: that of the original, or the smaller one that suits."""
    about = decoder.header.facts.get(FACTS)
    if about is not None:
        return about["kind"]
    channels = [one for described in decoder.signals for one in described.channels]
    return "EDF" if all(one.low >= -32768 and one.high < 32768 for one in channels) else "BDF"


def write_edf(decoder: Recorded, file: BinaryIO, kind: Kind, progress: Callable[[int, int], None]) -> int:
    """Write a recording, a few records at a time; returns how many samples were repeated to fill the last.

    Raises:
        CannotWrite: rates, lengths or samples that the format cannot hold.
        LqcError: the file is damaged.
    """
    plan = _planned(decoder, kind)
    if kind == "EDF" and decoder.header.facts.get(FACTS, {}).get("kind") != "EDF":
        _check_limits(plan.outline)
    most = max(1, sum(plan.outline.samples))
    try:
        writer = RecordWriter(file, plan.outline)
        for first, stop in _runs(plan.outline.n_records, max(1, AT_ONCE // most)):
            writer.write(_parts(decoder, plan, first, stop))
            progress(stop, plan.outline.n_records)
    except Unwritable as error:
        raise CannotWrite(f"{kind}: {error}; write .bdf or .npy") from error
    return max(plan.padding.values(), default=0)


def _check_limits(outline: Outline) -> None:
    for fields in outline.signals:
        for name in DIGITAL:
            value = integer_of(fields[name])[0]
            if value is not None and not -32768 <= value <= 32767:
                label = fields["label"].decode("latin-1")
                raise CannotWrite(
                    f"EDF: {name} of {label}: {value} does not fit into 16 bits; write .bdf or .npy"
                )


def _runs(records: int, together: int) -> Iterator[tuple[int, int]]:
    for first in range(0, records, together):
        yield first, min(first + together, records)


def _parts(decoder: Recorded, plan: _Plan, first: int, stop: int) -> list[NDArray[np.int32] | list[bytes]]:
    width, blocks = SAMPLE_BYTES[plan.outline.kind], dict[int, NDArray[np.int32]]()
    parts: list[NDArray[np.int32] | list[bytes]] = []
    for place, samples in zip(plan.places, plan.outline.samples, strict=True):
        if isinstance(place, int):
            lists = plan.lists
            said = [
                lists.part(place, record) if lists and place >= 0 else b"" for record in range(first, stop)
            ]
            parts.append([one.ljust(samples * width, b"\0") for one in said])
            continue
        signal, row = place
        if signal not in blocks:
            blocks[signal] = _block(decoder, signal, first * samples, stop * samples)
        parts.append(blocks[signal][row])
    return parts


def _block(decoder: Recorded, signal: int, start: int, stop: int) -> NDArray[np.int32]:
    n = decoder.signals[signal].n_samples
    found = decoder.read(start, min(stop, n), signal)
    return found if stop <= n else np.pad(found, ((0, 0), (0, stop - n)), mode="edge")


def _planned(decoder: Recorded, kind: Kind) -> _Plan:
    about = decoder.header.facts.get(FACTS)
    if about is None:
        return _bare(decoder, kind)
    try:
        return _as_it_came(decoder, about, kind)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CannotWrite(f"what it says of the {kind} header is damaged ({error}): write .npy") from error


# --- with the header that it came with -------------------------------------------------------------------


@dataclass(frozen=True)
class _Signal:
    """Holds a signal of the file to be written: header fields, samples a record, where its samples are."""

    fields: dict[str, bytes]
    samples: int
    place: tuple[int, int] | None = None
    is_list: bool = False


def _as_it_came(decoder: Recorded, about: Mapping[str, Any], kind: Kind) -> _Plan:
    header, records = decoder.header, int(about["records"])
    if not 0 < records <= max(one.n_samples for one in decoder.signals):
        raise ValueError(f"{records} records")
    signals = [_signal(decoder, one, kind, about["kind"], records) for one in about["signals"]]
    reserved = from_json(about["reserved"])
    told = bool(header.annotations or header.gaps) and not header.identity
    if told and not any(one.is_list for one in signals):  # what told them was text, and is not in the file
        signals.append(_Signal(_list_fields(kind), 0, is_list=True))
        reserved = b"EDF+D" if header.gaps else b"EDF+C"
    if reserved[:4] in (b"EDF+", b"BDF+"):
        reserved = kind.encode() + reserved[3:]
    who = {name: from_json(text) for name, text in about.get("identity", {}).items()}
    fixed = NOBODY | who | {"reserved": reserved, "duration of a data record": from_json(about["duration"])}
    return _with_lists(header, kind, fixed, signals, _onsets(about), float(about.get("begin_s", 0.0)))


def _signal(decoder: Recorded, told: Any, kind: Kind, was: str, records: int) -> _Signal:
    if isinstance(told, list):
        signal, row = told
        described = decoder.signals[signal]
        samples, rest = divmod(described.n_samples, records)
        if rest or not samples:
            raise ValueError(f"{described.n_samples} samples are not {records} records of one length")
        return _Signal(fields_of(described.channels[row]), samples, (signal, row))
    fields = {name: from_json(text) for name, text in told["fields"].items()}
    is_list = "annot" in fields.get("label", b"").decode("latin-1").casefold()
    if is_list and kind != was:
        fields |= _list_fields(kind)
    if not 0 <= (samples := int(told["samples"])) <= MOST_OF_A_LIST:
        raise ValueError(f"{samples} samples a record")
    return _Signal(fields, samples, is_list=is_list)


def _with_lists(
    header: FileHeader,
    kind: Kind,
    fixed: Mapping[str, bytes],
    signals: Sequence[_Signal],
    onsets: Sequence[str],
    begin_s: float,
) -> _Plan:
    """Returns the plan of a file whose annotation signals have room for all that they are to hold."""
    width, lists = SAMPLE_BYTES[kind], [at for at, one in enumerate(signals) if one.is_list]
    samples, laid_out = [one.samples for one in signals], None
    if lists:
        marks = [
            TalMark(one.onset_s + begin_s, one.duration_s, one.kind if one.text is None else one.text)
            for one in header.annotations
        ]
        laid_out = lay_out_marks(marks, onsets, [samples[at] * width for at in lists])
        for at, size in zip(lists, laid_out.sizes, strict=True):
            samples[at] = -(-size // width)
    places = [
        one.place if one.place is not None else lists.index(at) if one.is_list else -1
        for at, one in enumerate(signals)
    ]
    outline = Outline(kind, len(onsets), fixed, [one.fields for one in signals], samples)
    return _Plan(outline, places, laid_out, {})


def _onsets(about: Mapping[str, Any]) -> list[str]:
    """Returns when each data record begins, as it was written; empty of one that does not say so."""
    runs = about.get("onsets") or [[0, "+0"]]
    duration, found = Decimal(about["duration"]), list[str]()
    ends = [*(start for start, _ in runs[1:]), about["records"]]
    for (start, onset), end in zip(runs, ends, strict=True):
        first = None if onset is None else Decimal(onset)
        found += ["" if first is None else f"{first + k * duration:+f}" for k in range(end - start)]
    return found


def _list_fields(kind: Kind) -> dict[str, bytes]:
    limit = _LIMITS[kind]
    return _LISTS | {
        "label": f"{kind} Annotations".encode(),
        "digital minimum": str(-limit).encode(),
        "digital maximum": str(limit - 1).encode(),
    }


# --- with a header that suits the samples ----------------------------------------------------------------


def _bare(decoder: Recorded, kind: Kind) -> _Plan:
    """Returns a plan of records of a second, or of what a whole number of samples lasts."""
    duration_s = _duration(decoder.signals)
    samples = [round(one.rate_hz * duration_s) for one in decoder.signals]
    records = max(-(-one.n_samples // count) for one, count in zip(decoder.signals, samples, strict=True))
    padding = {
        number: records * count - one.n_samples
        for number, (one, count) in enumerate(zip(decoder.signals, samples, strict=True))
        if records * count > one.n_samples
    }
    signals = [
        _Signal(fields_of(_scaled(channel, kind)), count, (number, row))
        for number, (one, count) in enumerate(zip(decoder.signals, samples, strict=True))
        for row, channel in enumerate(one.channels)
    ]
    fixed = NOBODY | {"duration of a data record": number_text(duration_s).encode()}
    if decoder.header.annotations:
        signals.append(_Signal(_list_fields(kind), 0, is_list=True))
        fixed["reserved"] = f"{kind}+C".encode()
    onsets = [f"{Decimal(number_text(duration_s)) * k:+f}" for k in range(records)]
    return replace(_with_lists(decoder.header, kind, fixed, signals, onsets, 0.0), padding=padding)


def _duration(signals: Sequence[Described]) -> float:
    """Returns the seconds of a record in which every signal has a whole number of samples.

    Raises:
        CannotWrite: there is none of up to 100 s that the header can say exactly.
    """
    for duration_s in (1, *range(2, 101)):
        counts = [one.rate_hz * duration_s for one in signals]
        if all(math.isclose(count, round(count), rel_tol=1e-9) and round(count) for count in counts):
            return float(duration_s)
    if len(signals) == 1:
        rate = signals[0].rate_hz
        for count in range(1, 2 * math.ceil(rate)):
            if float(number_text(count / rate)) == count / rate:
                return count / rate
    rates = ", ".join(f"{one.rate_hz:g} Hz" for one in signals)
    raise CannotWrite(f"no record of EDF has whole numbers of samples at {rates}: write .npy")


def _scaled(channel: ChannelFacts, kind: Kind) -> ChannelFacts:
    """Returns a channel with the limits that a header must have: of the integers, where there are none."""
    if channel.digital_min is not None:
        return channel
    limit = _LIMITS[kind]
    return replace(
        channel, physical_min=-limit, physical_max=limit - 1, digital_min=-limit, digital_max=limit - 1
    )
