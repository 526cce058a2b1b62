"""Chooses the EEG channels of a recording, and says why each other signal is left out.

1. ``eeg_channels`` and ``exclude_channels``, the user's lists, decide over everything.
2. Where a file says ``EEG`` for some of its signals, only those are EEG.
3. Else the electrodes of the known systems are.

A channel without a voltage or without a range is left out by name, and the recording goes on. Of what is
left, channels of the commonest sampling rate are taken.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cookbooks.lamquant.formats.edf.header import has_junk, integer_of, number_of, text_of
from cookbooks.lamquant.formats.edf.labels import (
    Arrays,
    Label,
    array_stems,
    electrode_of,
    is_auxiliary,
    read_label,
    shown_label,
)
from cookbooks.lamquant.formats.edf.layout import Slot
from cookbooks.lamquant.formats.edf.problems import BadRecording, LeftOut, Repairs
from cookbooks.lamquant.formats.edf.units import CANONICAL, is_plain, microvolts_per

FEWEST_OF_A_PERSON = 6
"""Digits of a number that can be a person's."""
MOST_CHANNELS = 1024
"""The most that an LML1 container holds."""
Range = tuple[int, int, float, float, str]
"""Digital minimum and maximum, physical minimum and maximum, and the unit of the physical ones."""


@dataclass(frozen=True)
class TakenChannel:
    """Holds a channel that is taken."""

    slot: Slot
    name: str
    range: Range


class Unusable(Exception):
    """Says why a signal cannot be used."""


def choose(
    path: Path,
    slots: Sequence[Slot],
    duration_s: float,
    wanted: Sequence[str],
    excluded: Sequence[str],
    repairs: Repairs,
) -> tuple[list[TakenChannel], list[LeftOut]]:
    """Returns the channels that are taken, in the file's order, and what is left out.

    Args:
        path: the file, for messages.
        slots: every signal but annotations.
        duration_s: length of a data record.
        wanted: what the user wants; empty for a choice by label.
        excluded: what the user excludes.
        repairs: where what is mended in a channel that is taken is noted.

    Raises:
        BadRecording: no channel is left, more than an archive holds are, or a repair is refused.
    """
    reasons = _reasons(slots, wanted, excluded)
    usable: list[tuple[Slot, Range]] = []
    left_out: list[LeftOut] = []
    shown = _shown_labels(slots, wanted, repairs)
    for slot in slots:
        try:
            if reason := reasons[slot.index]:
                raise Unusable(reason)
            usable.append((slot, _range(slot, repairs.words)))
        except Unusable as why:
            left_out.append(LeftOut(shown[slot.index], str(why)))
    left_out += [
        LeftOut(name, "is in `eeg_channels`, but not in the file")
        for name in wanted
        if not any(_is(slot, name) for slot in slots)
    ]
    taken = _of_one_rate(usable, duration_s, shown, left_out)
    if not taken:
        raise BadRecording(path, "signals", f"no EEG channel: {_listed(left_out)}", _remedy(wanted))
    if len(taken) > MOST_CHANNELS:
        problem = f"{len(taken)} EEG channels, and an archive holds {MOST_CHANNELS} at most"
        raise BadRecording(path, "signals", problem, "name those to use in `eeg_channels`")
    return _named(taken, shown, repairs), left_out


def _reasons(slots: Sequence[Slot], wanted: Sequence[str], excluded: Sequence[str]) -> dict[int, str | None]:
    labels = {slot.index: read_label(slot.label) for slot in slots}
    arrays = Arrays(list(labels.values()))
    stated = any(label.says_eeg and not _is_aux(label) for label in labels.values())
    reasons: dict[int, str | None] = {}
    for slot in slots:
        reason = None
        if any(_is(slot, name) for name in excluded):
            reason = "is in `exclude_channels`"
        elif wanted and not any(_is(slot, name) for name in wanted):
            reason = "is not in `eeg_channels`"
        elif slot.holds_text:
            reason = "holds text, not samples"
        elif slot.samples == 0:
            reason = "has no samples"
        elif not wanted:
            reason = _why_not_eeg(labels[slot.index], stated, arrays)
        reasons[slot.index] = reason
    return reasons


def _is(slot: Slot, name: str) -> bool:
    """Says whether the user's name means a signal: as it is written, else by its electrode."""
    plain = " ".join(name.split()).casefold()
    if plain in (" ".join(slot.label.split()).casefold(), f"signal {slot.index}"):
        return True
    return bool(electrode_of(name)) and electrode_of(name) == electrode_of(slot.label)


def _is_aux(label: Label) -> bool:
    return bool(label.parts) and is_auxiliary(label.parts[0])


def _why_not_eeg(label: Label, stated: bool, arrays: Arrays) -> str | None:
    if _is_aux(label) or (label.parts and arrays.is_sensor(label.parts[0])):
        return "not EEG by its label"
    if stated:
        return None if label.says_eeg else "other signals of the file say EEG, this one does not"
    *electrodes, last = label.parts or ("",)
    known = (arrays.has_contact(part) for part in electrodes)
    if (
        label.parts
        and all(known)
        and (arrays.has_contact(last) or (electrodes and electrode_of(label.text) != "-".join(label.parts)))
    ):
        return None
    return "is no electrode that is known; name it in `eeg_channels` to use it"


def _range(slot: Slot, words: frozenset[str]) -> Range:
    unit = microvolts_per(text_of(slot.raw["physical dimension"]))
    if unit is None:
        raise Unusable(_unit_problem(text_of(slot.raw["physical dimension"])))
    digital = [integer_of(slot.raw[f"digital {end}"])[0] for end in ("minimum", "maximum")]
    physical = [number_of(slot.raw[f"physical {end}"])[0] for end in ("minimum", "maximum")]
    low, high = digital
    bottom, top = physical
    if low is None or high is None:
        raise Unusable("its digital minimum or maximum is not a whole number")
    if bottom is None or top is None:
        raise Unusable("its physical minimum or maximum is not a finite number")
    if max(abs(low), abs(high)) > 1 << 8 * (slot.n_bytes // slot.samples):
        raise Unusable("its digital minimum or maximum is not one that a sample can have")
    ends = (slot.raw[f"{kind} {end}"] for kind in ("digital", "physical") for end in ("minimum", "maximum"))
    if any(
        len(digits := re.sub(r"\D", "", text_of(raw))) >= FEWEST_OF_A_PERSON and digits in words
        for raw in ends
    ):
        raise Unusable("its range is a number that names the patient")
    if low == high:
        raise Unusable("its digital minimum and maximum are equal")
    if bottom == top:
        raise Unusable("its physical minimum and maximum are equal: every sample would have one voltage")
    scale = (top - bottom) / (high - low) * unit
    if not math.isfinite(scale) or scale == 0:
        raise Unusable("its physical limits are too large or too close for a number")
    return low, high, bottom, top, CANONICAL[unit]


def _unit_problem(unit: str) -> str:
    if not unit:
        return "has no unit, so microvolts cannot be derived"
    if unit.upper().startswith("MV"):
        return "its unit MV is megavolts, or somebody's millivolts; write mV or uV into the header"
    return "its unit is not a voltage that is known"


def _of_one_rate(
    usable: Sequence[tuple[Slot, Range]],
    duration_s: float,
    shown: Mapping[int, str],
    left_out: list[LeftOut],
) -> list[tuple[Slot, Range]]:
    """Returns channels of the commonest rate, of the higher one where that is a tie."""
    counts = Counter(slot.samples for slot, _ in usable)
    kept = max(counts, key=lambda samples: (counts[samples], samples), default=0)
    for slot, _ in usable:
        if slot.samples != kept:
            rates = [f"{samples / duration_s:g} Hz" for samples in (slot.samples, kept)]
            reason = f"sampled at {rates[0]}, the others at {rates[1]}"
            left_out.append(LeftOut(shown[slot.index], reason))
    return [item for item in usable if item[0].samples == kept]


def _shown_labels(slots: Sequence[Slot], wanted: Sequence[str], repairs: Repairs) -> dict[int, str]:
    stems = array_stems(slot.label for slot in slots)
    written = {" ".join(name.split()).casefold() for name in wanted}
    shown: dict[int, str] = {}
    for slot in slots:
        plain = " ".join(slot.label.split())
        by_user = plain.casefold() in written
        shown[slot.index] = plain if by_user else shown_label(plain, slot.index, repairs.words, stems)
    return shown


def _named(taken: list[tuple[Slot, Range]], shown: Mapping[int, str], repairs: Repairs) -> list[TakenChannel]:
    """Give each channel a name of its own (the second ``T8-P8`` is ``T8-P8 (2)``), and note repairs."""
    channels: list[TakenChannel] = []
    names: set[str] = set()
    for slot, limits in taken:
        label = shown[slot.index]
        name, number = label, 1
        while name in names:
            number += 1
            name = f"{label} ({number})"
        names.add(name)
        _note(slot, name, number > 1, limits, repairs)
        channels.append(TakenChannel(slot, name, limits))
    return channels


def _note(slot: Slot, name: str, is_copy: bool, limits: Range, repairs: Repairs) -> None:
    low, high, _, _, unit = limits
    if is_copy or has_junk(slot.raw["label"]):
        repairs.note("label", None, name, name)
    dimension = text_of(slot.raw["physical dimension"])
    if not is_plain(dimension) or has_junk(slot.raw["physical dimension"]):
        repairs.note("physical dimension", None, unit, name)
    ends = (("digital minimum", low), ("digital maximum", high))
    for key, value in ends:
        if not integer_of(slot.raw[key])[1]:
            repairs.note(key, text_of(slot.raw[key]), str(value), name)
    for key in ("physical minimum", "physical maximum"):
        if not number_of(slot.raw[key])[1]:
            repairs.note(key, text_of(slot.raw[key]), "the number with a point, up to a NUL", name)
    if low > high:
        repairs.note("digital minimum and maximum", None, "the range as it stands, from high to low", name)


def _listed(left_out: Sequence[LeftOut]) -> str:
    shown = [f"{item.label} ({item.reason})" for item in left_out[:12]]
    more = [f"and {len(left_out) - 12} more"] if len(left_out) > 12 else []
    return ", ".join(shown + more) or "annotations only"


def _remedy(wanted: Sequence[str]) -> str:
    if wanted:
        return "correct `eeg_channels` and `exclude_channels`"
    return "name its EEG in `eeg_channels`, or take it out of the directory"
