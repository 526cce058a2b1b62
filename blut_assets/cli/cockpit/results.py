"""Shows what runs came to beside each other: the best of each recipe, and the curves of their metrics."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blut_assets.cli.cockpit.chart import SIGNS, chart
from blut_assets.cli.cockpit.drawing import HEAD, DrawnRow, cut, table, wrapped
from blut_assets.cli.cockpit.pane import LooksBefore, LookWanted, Rows
from blut_assets.terminal.output import ago, numbers

if TYPE_CHECKING:
    import dagster as dg

CHART_LINES = 8
PAIR = 2


class LeaderboardView:
    """Shows the results of each recipe that has a metric, the best first, with the args that differ."""

    key, title = "B", "leaderboard"
    nothing = "no run of a recipe with a metric has made what it measures yet"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns a row for each result."""
        from blut_assets.cli.views.leaderboard import ranked_rows
        from blut_assets.definitions import discovered

        return ranked_rows(instance, [one for book in discovered.cookbooks for one in book.recipes])

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return _rank_line("", "run", "value", "age", "args that differ", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each result; the first of a recipe has its name above, and on what those are
        measured that are ranked together.
        """
        found, before = list[DrawnRow](), ("", "")
        for row in rows:
            titles = [cut(f"{row['recipe']}: {row['metric']}, {row['best']} first", width)]
            titles = titles if row["recipe"] != before[0] else []
            titles += [cut(f"on {row['on']}:", width)] if row["on"] else []
            place = "-" if row["place"] is None else str(row["place"])
            value = numbers({"": row["value"]})[1:] if isinstance(row["value"], int | float) else "-"
            args = {**({"partition": row["partition"]} if row["partition"] else {}), **row["args"]}
            line = _rank_line(place, row["run"][:8], value, ago(row["at"]), numbers(args), width)
            now = row["recipe"], row["on"]
            lines = (line,) if now == before else (*titles, line)
            found.append(DrawnRow(row_key(row), lines, run=row["run"]))
            before = now
        return found


def row_key(row: Mapping[str, Any]) -> str:
    """Returns the key of the row of a result."""
    return f"{row['run']} {row['partition']} {row['recipe']}"


def _rank_line(place: str, run: str, value: str, age: str, args: str, width: int) -> str:
    return table([(f"{place:>3}", 3), (run, 8), (value, 10), (age, 10)], args, width)


class MetricsView:
    """Shows the curves of the marked runs over each other, or of the chosen run: a chart for each metric."""

    key, title = "M", "metrics"
    nothing = "no epoch of these runs has been reported"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns a row for each metric.

        Raises:
            LookupError: there is no run, or one was deleted.
        """
        from blut_assets.cli.views.curves import curve_rows

        runs = [run for run in (wanted.asked or wanted.run).split() if run]
        runs = runs or [one.run_id for one in instance.get_runs(limit=1)]
        if not runs:
            raise LookupError("no run yet: `blut recipe list` says what can be run")
        if gone := [run for run in runs if instance.get_run_by_id(run) is None]:
            raise LookupError(f"run {gone[0][:8]} is not there any more: it was deleted")
        return [{**row, "logarithmic": wanted.other} for row in curve_rows(instance, runs)]

    def head(self, width: int) -> str:
        """Returns nothing: a chart has no columns."""
        return ""

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each metric: its name, which sign is which run, the curves."""
        return [self._drawn(row, width) for row in rows]

    def _drawn(self, row: dict[str, Any], width: int) -> DrawnRow:
        curves = row["curves"][: len(SIGNS)]
        named = zip(SIGNS, curves, strict=False)
        signs = "  ".join(f"{sign} {one['run'][:8]} {one['points'][-1][1]:.4g}" for sign, one in named)
        points = [[(x, y) for x, y in one["points"]] for one in curves]
        seams, logarithmic = [one["seams"] for one in curves], row["logarithmic"]
        lines = chart(points, seams, width, CHART_LINES, logarithmic=logarithmic)
        head = cut(f"{row['asset']} {row['metric']}{' (log)' if logarithmic else ''}", width)
        run = curves[0]["run"] if len(curves) == 1 else ""
        return DrawnRow(f"{row['asset']} {row['metric']}", (head, cut(signs, width), *lines), run=run)


class ComparisonView:
    """Shows what differs between the two runs that are marked: as `blut runs diff`."""

    key, title = "C", "compare"
    nothing = "no difference in args, source, inputs or results; space marks two runs among the jobs"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut runs diff` of the two runs that are marked, or else of the newest two of
        one recipe, older first.

        Raises:
            LookupError: a marked run was deleted.
        """
        from blut_assets.cli.commands.runs import difference_rows

        marked = wanted.asked.split()
        runs = [instance.get_run_by_id(one) for one in marked]
        if None in runs:
            raise LookupError(f"run {marked[runs.index(None)][:8]} is not there any more: it was deleted")
        left, right = runs if len(runs) == PAIR else _newest_two(instance)
        if left is None or right is None:
            return []
        both = [left.run_id, right.run_id]
        return [{**row, "runs": both} for row in difference_rows(instance, left, right)]

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return table([("about", 11)], "what, and below it as the first run has it -> as the second", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each thing that differs."""
        titles = [" -> ".join(run[:8] for run in row["runs"]) for row in rows[:1]]
        found = [DrawnRow("", (f"run {title}",), HEAD) for title in titles]
        for row in rows:
            old, new = (_short(row[name]) for name in ("a", "b"))
            first = table([(row["about"], 11)], row["what"], width)
            below = (f"    {line}" for line in wrapped(f"{old} -> {new}", width - 4, "  "))
            found.append(DrawnRow(f"{row['about']} {row['what']}", (first, *below)))
        return found


def _newest_two(instance: "dg.DagsterInstance") -> "list[dg.DagsterRun | None]":
    """Returns the newest run and the one of the same job before it, the older first."""
    import dagster as dg

    newest = next(iter(instance.get_runs(limit=1)), None)
    if newest is None:
        return [None, None]
    found = [*instance.get_runs(dg.RunsFilter(job_name=newest.job_name), limit=PAIR), None]
    return [found[1], found[0]]


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else "-" if value is None else str(value)
