"""A layered drawing of a graph: where each box stands, and the points that each edge goes through.

Boxes stand in rows, a row below all that it depends on. An edge that passes a row has a place of its own in
it, so that no edge crosses a box.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Edge = tuple[str, str]
GAP, BEND_WIDTH, ROW_HEIGHT = 24.0, 14.0, 96.0
SWEEPS = 12


@dataclass(frozen=True)
class Layout:
    """The centre of each box, the way of each edge, and the size of it all, in pixels."""

    centres: Mapping[str, tuple[float, float]]
    ways: Mapping[Edge, Sequence[tuple[float, float]]]
    width: float
    height: float


def layout(widths: Mapping[str, float], edges: Sequence[Edge]) -> Layout:
    """Place boxes of these widths.

    Raises:
        ValueError: if the edges go round in a circle.
    """
    rows = _rows(list(widths), edges)
    bends = {edge: _bends(edge, rows) for edge in edges}
    wide = {**widths, **{bend: BEND_WIDTH for way in bends.values() for bend, _ in way}}
    row_of = {**rows, **dict(item for way in bends.values() for item in way)}
    chains = {edge: [edge[0], *(bend for bend, _ in bends[edge]), edge[1]] for edge in edges}
    links = [pair for chain in chains.values() for pair in pairwise(chain)]
    order = _order(row_of, links)
    across = _across(order, links, wide)
    least = min(across[name] - wide[name] / 2 for name in across)
    most = max(across[name] + wide[name] / 2 for name in across)
    points = {name: (across[name] - least + GAP / 2, (row_of[name] + 0.5) * ROW_HEIGHT) for name in across}
    ways = {edge: [points[name] for name in chain] for edge, chain in chains.items()}
    return Layout({name: points[name] for name in widths}, ways, most - least + GAP, len(order) * ROW_HEIGHT)


def _rows(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    above: dict[str, list[str]] = {name: [start for start, end in edges if end == name] for name in names}
    below: dict[str, list[str]] = {name: [end for start, end in edges if start == name] for name in names}
    rows: dict[str, int] = {}
    while len(rows) < len(names):
        ready = [name for name in names if name not in rows and all(one in rows for one in above[name])]
        if not ready:
            raise ValueError(f"a circle among {', '.join(name for name in names if name not in rows)}")
        rows |= {name: max((rows[one] + 1 for one in above[name]), default=0) for name in ready}
    # what depends on nothing stands right above the first that needs it
    return {
        name: row if above[name] or not below[name] else min(rows[one] for one in below[name]) - 1
        for name, row in rows.items()
    }


def _bends(edge: Edge, rows: Mapping[str, int]) -> list[tuple[str, int]]:
    start, end = edge
    return [(f"{start}>{end}@{row}", row) for row in range(rows[start] + 1, rows[end])]


def _order(row_of: Mapping[str, int], links: Sequence[Edge]) -> list[list[str]]:
    """The names of each row from left to right, in the order that had the fewest crossings of those tried."""
    order = [[name for name in row_of if row_of[name] == row] for row in range(max(row_of.values()) + 1)]
    best, fewest = order, _crossings(order, row_of, links)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        order = [list(row) for row in order]
        for row in range(1, len(order)) if downwards else range(len(order) - 2, -1, -1):
            order[row] = _sorted(order[row], order[row - 1 if downwards else row + 1], links)
        crossings = _crossings(order, row_of, links)
        if crossings < fewest:
            best, fewest = order, crossings
    return best


def _sorted(row: Sequence[str], beside: Sequence[str], links: Sequence[Edge]) -> list[str]:
    """A row by the mean place of what each name is joined with in the row beside it."""

    def mean_place(name: str) -> float:
        places = [beside.index(one) for one in _neighbours(name, links) if one in beside]
        return sum(places) / len(places) if places else row.index(name)

    return sorted(row, key=mean_place)


def _neighbours(name: str, links: Sequence[Edge]) -> list[str]:
    return [end if start == name else start for start, end in links if name in (start, end)]


def _crossings(order: Sequence[Sequence[str]], row_of: Mapping[str, int], links: Sequence[Edge]) -> int:
    place = {name: number for row in order for number, name in enumerate(row)}
    pairs = [(row_of[start], place[start], place[end]) for start, end in links]
    return sum(
        1
        for number, (row, start, end) in enumerate(pairs)
        for other, left, right in pairs[number + 1 :]
        if other == row and (start - left) * (end - right) < 0
    )


def _across(
    order: Sequence[Sequence[str]], links: Sequence[Edge], wide: Mapping[str, float]
) -> dict[str, float]:
    """The middle of each name: near its neighbours, and as far from the next in its row as both need."""
    across: dict[str, float] = {}
    for row in order:
        place = -(sum(wide[name] for name in row) + GAP * (len(row) - 1)) / 2
        for name in row:
            across[name] = place + wide[name] / 2
            place += wide[name] + GAP
    for sweep in range(SWEEPS):
        for row in order if sweep % 2 else reversed(order):
            wanted = {
                name: sum(found) / len(found)
                if (found := [across[one] for one in _neighbours(name, links)])
                else across[name]
                for name in row
            }
            across |= _apart(row, wanted, wide)
    return across


def _apart(row: Sequence[str], wanted: Mapping[str, float], wide: Mapping[str, float]) -> dict[str, float]:
    """As near to the wanted places as the row's order and widths allow, in the least squares."""
    offsets, total = [], 0.0
    for number, name in enumerate(row):
        total += (wide[row[number - 1]] + wide[name]) / 2 + GAP if number else 0.0
        offsets.append(total)
    blocks: list[tuple[float, int]] = []
    for offset, name in zip(offsets, row, strict=True):
        mean, count = wanted[name] - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    return {name: mean + offset for name, mean, offset in zip(row, means, offsets, strict=True)}
