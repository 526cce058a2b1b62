"""Shows what can be run: the recipes, the form of one, and what a run of it would do and cost."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from blut_assets.cli.cockpit.drawing import BAD, GOOD, PLAIN, WAITS, DrawnRow, table, wrapped
from blut_assets.cli.cockpit.pane import LooksBefore, LookWanted, Rows
from blut_assets.terminal.output import duration
from blut_resources.machine.memory import size_text

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.recipes import Recipe

FORM, PLAN = "form", "plan"
GO_ON = "go on"
"""The key of the last row of a form."""


def _of(wanted: LookWanted) -> Any:
    """Returns what a view is asked about.

    Raises:
        LookupError: nothing is.
    """
    if not wanted.asked:
        raise LookupError("no recipe is chosen: R lists them")
    return json.loads(wanted.asked)


def _recipe(name: str) -> "Recipe":
    from blut_assets.definitions import discovered

    recipes = (recipe for book in discovered.cookbooks for recipe in book.recipes)
    found = next((recipe for recipe in recipes if recipe.name == name), None)
    if found is None:
        raise LookupError(f"no recipe is called {name!r}: `blut recipe list` says which there are")
    return found


class RecipesView:
    """Shows the recipes, to choose one by some of its letters: as `blut recipe list`."""

    key, title = "R", "run a recipe"
    nothing = "no recipes: no cookbook is installed; `blut doctor` says how to get one"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut recipe list`."""
        from blut_assets.cli.views.recipes import recipe_rows

        return recipe_rows()

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return table([("name", 26), ("category", 10), ("ends in", 14)], "takes", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each recipe."""
        found = []
        for row in rows:
            cells = [(row["name"], 26), (row["category"], 10), (row["output"], 14)]
            lines = [table(cells, row["input"], width)]
            if row["lacks"]:
                lines += [
                    f"    {one}" for one in wrapped(f"not installed: {', '.join(row['lacks'])}", width - 4)
                ]
            found.append(DrawnRow(row["name"], tuple(lines), WAITS if row["lacks"] else PLAIN))
        return found


class FormView:
    """Shows the args of a recipe: as `blut recipe show`, with the values of its last run."""

    key, title = FORM, "run"
    nothing = "it takes no arguments"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of the form, checked as the recipe checks them.

        Raises:
            LookupError: no recipe is chosen, or there is none of that name.
            ArgsError: the settings around it cannot be read.
        """
        from blut_assets.cli.views.forms import form_rows

        name, typed = _of(wanted)
        return form_rows(instance, _recipe(name), typed)

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return _form_line("argument", "value", "allowed", "from", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each argument, with what is wrong with it below, and the row that goes on."""
        found = []
        for number, row in enumerate(rows):
            lines = [_form_line(row["argument"], row["value"], row["allowed"], row["said"], width)]
            lines = lines if row["argument"] else []
            lines += [f"  ! {one}" for one in wrapped(row["problem"], width - 4)] if row["problem"] else []
            found.append(
                DrawnRow(
                    row["argument"] or f"problem {number}", tuple(lines), BAD if row["problem"] else PLAIN
                )
            )
        wrong = sum(bool(row["problem"]) for row in rows)
        said = f"not yet: {wrong} to mend" if wrong else "Enter shows the plan: what would run, and its cost"
        return [*found, DrawnRow(GO_ON, (f"[ plan ]  {said}",), BAD if wrong else GOOD)]


def _form_line(name: str, value: str, allowed: str, said: str, width: int) -> str:
    rest = max(10, (width - 24 - 2) // 2)
    return table([(name, 22), (value, rest)], f"{said:9.9} {allowed}" if width >= 60 else said, width)


def about_argument(row: dict[str, Any]) -> str:
    """Says what an argument is, which keys change it, and what it may be."""
    told = f"{row['argument']}: {row['meaning']}" if row["meaning"] else row["argument"]
    keys = "left and right choose" if row["choices"] else "Enter types"
    return f"{told} ({row['allowed']}). {keys}, d is for what the settings say"


class PlanView:
    """Shows what a run with the args of the form would do and cost: as `blut plan`."""

    key, title = PLAN, "plan"
    nothing = "no asset"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut plan`; sources are looked at, as a run would.

        Raises:
            LookupError: no recipe is chosen.
            ArgsError: the args make no sense.
        """
        from blut_assets.cli.views.plans import planned_assets
        from blut_assets.definitions import discovered
        from blut_assets.layers.resolve import layered

        name, args, partition = _of(wanted)
        recipe = _recipe(name)
        key = None
        if partition is not None and recipe.partitions is not None:  # the key itself may know its dimensions
            keys = recipe.partitions.get_partition_keys(dynamic_partitions_store=instance)
            key = keys[keys.index(partition)]
        parsed = layered(recipe, args=args, recipes=discovered.recipe_names()).parse([key])
        return [one.as_dict() for one in planned_assets(instance, recipe, parsed, [key])]

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return table([("asset", 34), ("state", 9), ("last cost", 10)], "peak", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each asset, with the reason below."""
        found = []
        for row in rows:
            peak = size_text(row["last_peak"]) if row["last_peak"] else "-"
            cells = [(row["asset"], 34), (row["state"], 9), (duration(row["last_seconds"]), 10)]
            told = [
                row["reason"],
                f"leases {row['leases']}" if row["leases"] else "",
                row["never"],
                row["note"],
            ]
            below = [line for one in told if one for line in wrapped(one, width - 4)]
            lines = (table(cells, peak, width), *(f"    {line}" for line in below))
            tone = BAD if row["state"] == "unseen" or row["never"] else PLAIN
            found.append(DrawnRow(f"{row['asset']} {row['partition']}", lines, tone))
        return found


class GraphView(PlanView):
    """Shows the assets of the recipe of the chosen run, by stage, as they stand for its args."""

    key, title = "G", "graph"
    nothing = "no asset"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut plan` for the args of the chosen run, or of the newest one.

        Raises:
            LookupError: there is no run of a recipe that is loaded.
            ArgsError: the recipe does not take these args any more.
        """
        from blut_assets.cli.views.plans import planned_again

        return planned_again(instance, wanted.run)

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return super().head(width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each asset; the first of a stage has its name above."""
        found, before = list[DrawnRow](), ""
        for row, entry in zip(rows, super().draw(rows, width, braille), strict=True):
            stage = (f"{row['group']}:",) if row["group"] != before else ()
            found.append(replace(entry, lines=(*stage, *entry.lines)))
            before = row["group"]
        return found


def cost(rows: Rows) -> str:
    """Says what a run with this plan computes, what that took before, and what keeps it from being run."""
    from blut_assets.cli.commands.plan import total
    from blut_assets.history.planning import Planned

    planned = [Planned(**row) for row in rows]
    for one in planned:
        if one.state == "unseen" or one.never:
            return f"cannot run: {one.asset}: {one.never or one.reason}"
    peaks = [one.last_peak for one in planned if one.last_peak and one.state in ("stale", "blocked")]
    return f"{total(planned)}{f', at most {size_text(max(peaks))} of memory' if peaks else ''}"
