"""Draws each view without a terminal, of the instance that is there, and says what is wrong with it."""

import asyncio

from rich.cells import cell_len

from blut_assets.cli.cockpit.board import Cockpit
from blut_assets.cli.cockpit.launch_flow import FORM, RECIPES
from blut_assets.cli.cockpit.pane import LookWanted
from blut_assets.cli.cockpit.panes import PANES
from blut_assets.cli.cockpit.reader import CockpitReader

SAYS_NONE = "None"


def check(panes: list[str], size: tuple[int, int]) -> tuple[list[str], list[str]]:
    """Returns the lines of these views on a screen of so many columns and lines, and the faults found.

    One is at fault that is blank, cannot be read or drawn, is wider than the screen, or shows ``None``. With
    the recipes goes the form of the first of them.
    """
    return asyncio.run(_check(panes, size))


async def _check(panes: list[str], size: tuple[int, int]) -> tuple[list[str], list[str]]:
    lines, faults = list[str](), list[str]()
    reader = _Still()
    looks = [(name, "") for name in panes]
    for name, recipe in looks:
        app = Cockpit(name)
        app.reader = reader
        app.flow.choose(recipe)
        found = reader.look(app.wanted())
        async with app.run_test(size=size) as pilot:
            app.take(found)
            await pilot.pause()
            drawn = app.board.text()
        lines += [*drawn, "-" * size[0]]
        faults += [f"{name} {PANES[name].title}: {fault}" for fault in _faults(drawn, size[0])]
        if found.rows is None:
            faults.append(f"{name} {PANES[name].title}: {found.said}")
        elif name == RECIPES and found.rows:
            looks.append((FORM, found.rows[0]["name"]))
    return lines, faults


class _Still(CockpitReader):
    """Reads when it is called, and nothing by itself."""

    def __init__(self) -> None:
        super().__init__(lambda found: None)

    def start(self) -> None:
        """Do nothing."""

    def ask(self, wanted: LookWanted) -> bool:
        """Take no order."""
        return False


def _faults(drawn: list[str], width: int) -> list[str]:
    found = [] if any(line.strip() for line in drawn[2:-2]) else ["it is blank"]
    found += [f"wider than {width} columns: {line!r}" for line in drawn if cell_len(line) > width]
    return found + [f"says None: {line!r}" for line in drawn if SAYS_NONE in line.split()]
