"""Holds a .lqc file to what was asked when it was made, and its original to what the file says of it."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from cookbooks.lamquant.codec_command.edf_in import EXACT, LEFT_OUT
from cookbooks.lamquant.codec_command.pairs import ASKED, FilePair, Paired
from cookbooks.lamquant.codec_command.recorded import Recorded
from cookbooks.lamquant.codec_command.sums import Sums
from cookbooks.lamquant.lqc.container.header import FileHeader
from cookbooks.lamquant.lqc.errors import InputError
from cookbooks.lamquant.lqc.plan import allowed_rms
from cookbooks.lamquant.lqc.targets import KINDS, Bitrate, Cr, MaxError, NoiseRatio, Prdn, Target

AGAIN = "encode it again from the original"
ANOTHER = "give --against the recording that it was made of"
_ROUNDING = 1 + 1e-6
"""Sums of squares are added up in another order than by the encoder."""
_SHOWN = 4


def target_in(header: FileHeader) -> Target | None:
    """Returns the target that a file holds, None of one that holds no promise.

    Raises:
        InputError: what stands there names none of the known ones, or a value that it cannot have.
    """
    asked = header.facts.get(ASKED)
    if asked is None:
        return None
    if not isinstance(asked, Mapping) or len(asked) != 1 or (name := next(iter(asked))) not in KINDS:
        raise InputError(f"{ASKED}: {asked!r} is no target: it must be one of {', '.join(KINDS)}; {AGAIN}")
    return KINDS[name](asked[name])


def only_aimed_at(header: FileHeader) -> bool:
    """Says whether the error is not promised: the device profile codes in one pass."""
    return any(group.mode == "lapped" and group.profile == "device" for group in header.groups)


def others(recorded: Recorded, found: Paired) -> Iterator[str]:
    """Yields in what the original is another recording: length, rates, channels."""
    for pair in found.pairs:
        there = recorded.signals[pair.decoded[0]]
        if not math.isclose(there.rate_hz, pair.rate_hz, rel_tol=1e-6):
            yield f"rate of {pair.label}: {there.rate_hz:g} Hz here, {pair.rate_hz:g} Hz in the original"
        elif there.n_samples != pair.n_samples:
            here, other = there.n_samples, pair.n_samples
            yield f"length of {pair.label}: {here} samples here, {other} in the original"
    total = sum(len(one.channels) for one in recorded.signals)
    if EXACT not in recorded.header.facts:  # not made from a file: it may hold a choice of the channels
        return
    left = Counter(name for name, _ in recorded.header.facts.get(LEFT_OUT, []))
    lacking = Counter(found.missing) - left
    if lacking or total != len(found.pairs):
        n = len(found.pairs) + lacking.total()
        named = f", not in the file: {_names(sorted(lacking))}" if lacking else ""
        both = len(found.pairs)
        yield f"channels: {total} in the file, {n} in the original, {both} of one name and rate{named}"


def broken(
    recorded: Recorded, found: Paired, sums: Sequence[Sums], target: Target | None, n_bytes: int
) -> Iterator[str]:
    """Yields what was promised and is not so: the field, what was promised, and what was measured."""
    yield from _exact(found.pairs, sums)
    aimed = only_aimed_at(recorded.header)
    if isinstance(target, Prdn | NoiseRatio) and not aimed:
        yield from _errors(found, sums, target)
    elif isinstance(target, Cr | Bitrate):
        yield from _size(recorded, found, target, n_bytes)
    if recorded.header.groups and not aimed:
        yield from _ranges(recorded, found)


def _exact(pairs: Sequence[FilePair], sums: Sequence[Sums]) -> Iterator[str]:
    for bound in sorted({pair.bound for pair in pairs if pair.bound is not None}):
        mine = [(p, s) for p, s in zip(pairs, sums, strict=True) if p.bound == bound and s.largest > bound]
        if mine:
            shown = _names([f"{pair.label} by {one.largest}" for pair, one in mine])
            yield f"{MaxError.name}: differs by more than was promised, {bound} units: {shown} units"


def _errors(found: Paired, sums: Sequence[Sums], target: Prdn | NoiseRatio) -> Iterator[str]:
    unit = " %" if isinstance(target, Prdn) else ""
    asked = target.percent if isinstance(target, Prdn) else target.ratio
    wrong = []
    for pair, one in zip(found.pairs, sums, strict=True):
        if not pair.is_eeg or not one.error:
            continue
        m, row = found.measured(pair), pair.original[1]
        allowed = allowed_rms(target, m)
        limit = 0.0 if allowed is None else float(allowed[row])
        rms = math.sqrt(one.error / one.n)
        if rms > limit * _ROUNDING:
            figure = asked * rms / limit if limit else math.inf
            wrong.append((figure, f"{pair.label} {figure:.4g}{unit}"))
    if wrong:
        wrong.sort(reverse=True)
        yield (
            f"{target.name}: promised at most {asked:g}{unit} of each EEG channel, measured"
            f" {_names([text for _, text in wrong])}"
        )


def _size(recorded: Recorded, found: Paired, target: Cr | Bitrate, n_bytes: int) -> Iterator[str]:
    if all(one.low == one.high for signal in recorded.signals for one in signal.channels):
        return  # a still recording is little but its header
    if isinstance(target, Cr):
        raw = sum(one.n_samples * len(one.channels) for one in recorded.signals) * found.sample_bytes
        if n_bytes * target.ratio > raw:
            yield f"{target.name}: promised at least {target.ratio:g}, measured {raw / n_bytes:.4g}"
        return
    rate = 8 * n_bytes / max(one.n_samples / one.rate_hz for one in recorded.signals)
    if rate > target.bits_per_second:
        yield f"{target.name}: promised at most {target.bits_per_second:g} bits a second, measured {rate:.6g}"


def _ranges(recorded: Recorded, found: Paired) -> Iterator[str]:
    """Yields a channel whose original has another range than the file says of it."""
    for pair in found.pairs:
        m, row = found.measured(pair), pair.original[1]
        said = recorded.signals[pair.decoded[0]].channels[pair.decoded[1]]
        low, high = int(m.low[row]), int(m.high[row])
        if (said.low, said.high) != (low, high):
            yield (
                f"range of {pair.label}: {said.low} to {said.high} in the file,"
                f" {low} to {high} in the original: it is another recording"
            )
            return


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
