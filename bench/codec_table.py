"""Lines of the codec tables: CR at equal PRDN, and what is not ahead."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.table import Quantity, Row, Target

TABLED = (4.0, 6.5, 8.6, 12.5, 15.0, 17.0)
"""PRDN in percent."""
MIDDLE = 15.0
OURS, DEVICE, BEFORE = "ours", "ours, device profile", "v1"
DCT, DCT_TOGETHER = "DCT", "DCT, channels together"
TARGETS: Mapping[tuple[str, str], Target] = {
    ("scp2", DCT): Target("every ratio", ">=", 1.30),
    ("fingers", DCT_TOGETHER): Target("every ratio", ">=", 1.15),
    ("eyes", DCT_TOGETHER): Target("every ratio", ">=", 1.15),
    ("meg", DCT_TOGETHER): Target("every ratio", ">=", 1.15),
}
MIDDLE_TARGETS: Mapping[str, float] = {"fingers": 1.5, "eyes": 1.45, "meg": 1.25}
"""Bits saved over the codec of before, at PRDN 15 %."""
FLAC, BOUND = "flac -8", "bound"
LOSSLESS_TARGETS: Mapping[str, float] = {"scp1": 1.0, "scp2": 1.0, "blink": 1.0}
SPEED_TARGETS = {"encode": 1500, "decode": 2500}
Point = dict[str, Any]


def at_prdn(points: Sequence[Point], prdn: float) -> float:
    """CR at a PRDN, straight in logarithms between the two encodings around it, or from the nearest two."""
    # two errors that were asked for may have ended in one, such as at the coarsest step
    best = {round(p["prdn"], 6): p for p in sorted(points, key=lambda point: point["cr"])}
    ordered = [best[prdn] for prdn in sorted(best)]
    if len(ordered) == 1:
        return ordered[0]["cr"]
    at = sum(point["prdn"] < prdn for point in ordered)
    a, b = ordered[min(max(at - 1, 0), len(ordered) - 2) :][:2]
    t = math.log(prdn / a["prdn"]) / math.log(b["prdn"] / a["prdn"])
    return a["cr"] * (b["cr"] / a["cr"]) ** t


class Curves:
    """The measured points by set and coder, and what ours refused."""

    def __init__(self, points: Iterable[Point], tabled: Sequence[float] = TABLED) -> None:
        self._tabled = tabled
        self.points: dict[str, dict[str, list[Point]]] = {}
        self.refused: list[Point] = []
        for point in points:
            if "refused" in point:
                self.refused.append(point)
            else:
                self.points.setdefault(point["set"], {}).setdefault(point["coder"], []).append(point)

    def tabled(self, name: str, other: str = OURS) -> list[float]:
        """The tabled PRDN that lie within our points and those of another coder."""
        found = [[point["prdn"] for point in self.points[name][coder]] for coder in (OURS, other)]
        least, most = max(map(min, found)) * 0.97, min(map(max, found)) * 1.03
        return [prdn for prdn in self._tabled if least <= prdn <= most]

    def cr(self, name: str, coder: str, other: str = OURS) -> list[float]:
        """CR of a coder at each of them."""
        return [at_prdn(self.points[name][coder], prdn) for prdn in self.tabled(name, other)]

    def others(self, name: str) -> list[str]:
        """The coders beside ours."""
        return [coder for coder in self.points[name] if coder != OURS]


def rate_rows(curves: Curves, which: str) -> list[Row]:
    """A line per set and coder, over all tabled points; the points are in the note."""
    lines = []
    for name in curves.points:
        for other in curves.others(name):
            if not (tabled := curves.tabled(name, other)):
                continue
            span = f"{tabled[0]:g} to {tabled[-1]:g} %"
            ours, theirs = (curves.cr(name, coder, other) for coder in (OURS, other))
            lines.append(
                Row(
                    *("codec", f"{which}{name}: CR at PRDN {span}", Quantity("CR", ours), other),
                    base=Quantity("CR", theirs),
                    target=None if which else TARGETS.get((name, other)),
                    note=_points(tabled, ours, theirs),
                    facts={"points": curves.points[name]},
                )
            )
        if not which and name in MIDDLE_TARGETS and BEFORE in curves.points[name]:
            lines.append(_middle(curves, name))
    return [*lines, *_behind(curves)]


def _middle(curves: Curves, name: str) -> Row:
    ours, theirs = (at_prdn(curves.points[name][coder], MIDDLE) for coder in (OURS, BEFORE))
    target = Target("ratio", ">=", MIDDLE_TARGETS[name])
    case = f"{name}: CR at PRDN {MIDDLE:g} %"
    return Row("codec", case, Quantity("CR", [ours]), BEFORE, Quantity("CR", [theirs]), target)


def _points(tabled: Sequence[float], ours: Sequence[float], theirs: Sequence[float]) -> str:
    told = [
        f"{prdn:g} %: {a:.1f} to {b:.1f} ({a / b:.2f})"
        for prdn, a, b in zip(tabled, ours, theirs, strict=True)
    ]
    return "; ".join(told)


def _behind(curves: Curves) -> list[Row]:
    """A line that names every point at which another coder is ahead."""
    lost = []
    for name in curves.points:
        for other in curves.others(name):
            ours, theirs = (curves.cr(name, coder, other) for coder in (OURS, other))
            pairs = zip(curves.tabled(name, other), ours, theirs, strict=True)
            lost += [f"{name} at {p:g} %: {other} ({a / b:.3f})" for p, a, b in pairs if a < b]
    lost += [f"{p['set']} at {p['asked']:g} %: {p['coder']} refuses ({p['refused']})" for p in curves.refused]
    return [Row("codec", "where ours is behind", note="; ".join(lost) or "nowhere in these tables")]


def speed_rows(curves: Curves, names: Sequence[str]) -> list[Row]:
    """Thousand samples a CPU second of one thread, over the operating points of one run."""
    lines = []
    for name in names:
        for way, least in SPEED_TARGETS.items():
            pairs = [
                (p, q)
                for p in curves.points[name][OURS]
                for q in curves.points[name].get(BEFORE, [p])
                if p["asked"] == q["asked"]
            ]
            ours, before = (_speeds([pair[n] for pair in pairs], way) for n in (0, 1))
            target, case = Target("ours", ">=", least), f"{name}: {way}"
            base = before if BEFORE in curves.points[name] else None
            lines.append(Row("codec", case, ours, BEFORE if base else "", base, target))
    return lines


def _speeds(points: Sequence[Point], way: str) -> Quantity:
    return Quantity("k samples/s", [p["samples"] / p[f"{way}_s"] / 1000 for p in points])


def long_rows(days: Sequence[Point]) -> list[Row]:
    """Memory of the longest recording beside that of a shorter one, and milliseconds to a second of it."""
    lines = []
    for short, long in zip(days[::2], days[1::2], strict=True):
        case = f"{long['hours']:g} h of {long['channels']} channels, made up"
        base = f"{short['hours']:g} h"
        peaks = [Quantity("MB", [max(mb for _, mb in day["memory"])]) for day in (long, short)]
        speed = long["values"] / long["encode_cpu_s"] / 1000
        note = f"CR {2 * long['values'] / long['bytes']:.1f}, {speed:.0f} k samples a CPU second, over time: "
        note += _memory(long["memory"])
        lines.append(
            Row("codec", f"{case}: encode", peaks[0], base, peaks[1], Target("ratio", "<=", 1.2), note, long)
        )
        reads = Quantity("ms", long["read_ms"])
        lines.append(Row("codec", f"{case}: a second", reads, target=Target("ours", "<=", 50)))
    return lines


def _memory(samples: Sequence[Sequence[float]]) -> str:
    """Ten of the samples, evenly spread."""
    chosen = [samples[round(n * (len(samples) - 1) / 9)] for n in range(10)]
    return ", ".join(f"{mb:.0f} MB at {seconds:.0f} s" for seconds, mb in chosen)


def lossless_rows(points: Iterable[Point], which: str = "") -> list[Row]:
    """A line per set and coder: CR of file bytes; the target is over FLAC.

    Where the bound is 5 % ahead of FLAC, ours has to be too.
    """
    by_set: dict[str, dict[str, Point]] = {}
    for point in points:
        by_set.setdefault(point["set"], {})[point["coder"]] = point
    lines = []
    for name, found in by_set.items():
        cr = {coder: point["raw"] / point["bytes"] for coder, point in found.items()}
        least = LOSSLESS_TARGETS.get(name)
        if least and FLAC in cr and cr[BOUND] >= 1.05 * cr[FLAC]:
            least = 1.05
        ours = Quantity("CR", [cr.pop(OURS)])
        for other, base in cr.items():
            target = Target("ratio", ">=", least) if least and other == FLAC and not which else None
            case = f"{which}{name}: lossless"
            lines.append(Row("codec", case, ours, other, Quantity("CR", [base]), target, facts=found[other]))
    return lines
