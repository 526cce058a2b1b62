"""The linear graph of 10 and 100 stages: first run, no-op, and the source of the middle stage changed.

Seconds alone do not compare tools that do different work, so each line also says how many stages ran.
"""

from functools import partial
from pathlib import Path

from bench.chain_tools import Blut, BlutDagster, Dvc, Make, Snakemake, Tool
from bench.homes import scratch
from bench.measure import Run, in_turns
from bench.peers import on_path
from bench.table import Quantity, Row, Target, skipped, wall

ACTIONS = ("first", "no-op", "middle changed")
PEERS: tuple[type[Tool], ...] = (Make, Dvc, Snakemake)
OURS: tuple[type[Tool], ...] = (Blut, BlutDagster)
WANTED = {(Blut.title, Dvc.title, 10), (Blut.title, Snakemake.title, 100)}
"""Where Blut is to be no slower: a small chain starts as soon as DVC, a long one goes on as Snakemake."""
Lap = dict[str, tuple[Run, int]]
Laps = dict[tuple[int, str], list[Lap]]


def rows(quick: bool) -> list[Row]:
    """One line per graph, action and peer, then the slope per stage between the two graphs."""
    sizes, rounds = ((5, 20), 2) if quick else ((10, 100), 3)
    why = on_path()
    tools = [tool for tool in (*OURS, *PEERS) if not tool.missing()]
    laps: Laps = {}
    for stages in sizes:
        contenders = {tool.title: partial(lap, tool, stages) for tool in tools}
        found = in_turns(rounds, contenders)
        laps |= {(stages, title): result for title, result in found.items()}
    lines = [
        skipped("chain", f"against {tool.title}", why or tool.missing()) for tool in PEERS if tool.missing()
    ]
    for stages in sizes:
        lines += _against_peers(laps, stages, [tool for tool in tools if tool in PEERS])
    return lines + _slopes(laps, *sizes)


def lap(tool: type[Tool], stages: int) -> Lap:
    """The three actions of one tool on a fresh chain."""
    with scratch() as directory:
        return _lap(tool(Path(directory, "chain"), stages))


def _lap(chain: Tool) -> Lap:
    first, again = chain.run(), chain.run()
    chain.change_middle("v1")
    return dict(zip(ACTIONS, (first, again, chain.run()), strict=True))


def _against_peers(laps: Laps, stages: int, peers: list[type[Tool]]) -> list[Row]:
    pairs = [(Blut.title, peer.title) for peer in peers] + [(BlutDagster.title, Make.title)]
    lines = []
    for ours, peer in pairs:
        for action in ACTIONS:
            a, b = laps[stages, ours], laps[stages, peer]
            ran, peer_ran = a[-1][action][1], b[-1][action][1]
            name = f"{stages} stages, {action} (ran {ran}, {peer} {peer_ran})"
            if ours != Blut.title:
                name = f"{name} by {ours}"
            limit = Target("ratio", "<=", 1) if (ours, peer, stages) in WANTED else None
            lines.append(Row("chain", name, _seconds(a, action), peer, _seconds(b, action), limit))
    return lines


def _seconds(laps: list[Lap], action: str) -> Quantity:
    return wall([lap[action][0] for lap in laps])


def _slopes(laps: Laps, small: int, large: int) -> list[Row]:
    """Per-stage cost: what 90 more stages cost, so that start-up is left out."""

    def slope(title: str, kind: str) -> list[float]:
        pairs = zip(laps[small, title], laps[large, title], strict=True)
        return [
            1000 * (getattr(b["first"][0], kind) - getattr(a["first"][0], kind)) / (large - small)
            for a, b in pairs
        ]

    def quantity(title: str) -> Quantity:
        return Quantity("ms", slope(title, "wall"), slope(title, "cpu"))

    base, limit = quantity(Make.title), Target("ours", "<=", 20)
    lines = [
        Row("chain", f"per stage of a first run, {tool.title}", quantity(tool.title), Make.title, base)
        for tool in OURS
    ]
    own = quantity(Blut.title)
    beyond = Quantity(
        "ms",
        [a - b for a, b in zip(own.values, base.values, strict=True)],
        [a - b for a, b in zip(own.cpu, base.cpu, strict=True)],
    )
    lines.append(Row("chain", "per stage, beyond Make+python", beyond, Make.title, base, limit))
    for peer in PEERS[1:]:
        if (small, peer.title) in laps:
            other = quantity(peer.title)
            lines.append(Row("chain", "per stage of a first run, blut", own, peer.title, other))
    return lines
