"""Holds the views of the cockpit: what each reads, which is what the commands read, and how it is drawn."""

import time
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_assets.cli.cockpit.drawing import BAD, HEAD, DrawnRow, bar, cut, sparkline, table, tone_of, wrapped
from blut_assets.cli.cockpit.drawing import words as text_of
from blut_assets.cli.cockpit.lineage import LineageView
from blut_assets.cli.cockpit.models import ModelsView
from blut_assets.cli.cockpit.pane import MOST, LooksBefore, LookWanted, Pane, Rows
from blut_assets.cli.cockpit.policies import PoliciesView
from blut_assets.cli.cockpit.recipes import FormView, GraphView, PlanView, RecipesView
from blut_assets.cli.cockpit.results import ComparisonView, LeaderboardView, MetricsView
from blut_assets.cli.cockpit.store import StoreView
from blut_assets.terminal.output import LineTimes, ago, duration, numbers
from blut_resources.machine.memory import size_text

if TYPE_CHECKING:
    import dagster as dg

LOOK_S = 1.0
"""Seconds that a look at the runs may take: what is missing then comes with the next."""
EVENTS = 1000
"""Events of a log that are kept, the newest."""
WHY_LINES = 3
"""Lines that a job has for its progress, or for what it died of; its log has the rest."""
WIDE = 100
"""Columns from which a job has its age and its time in a line."""


class JobsView:
    """Shows the runs, the newest first, with those at work as they go on: as `blut jobs`."""

    key, title = "J", "jobs"
    nothing = "no jobs: `blut recipe list` says what can be run"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut jobs`, and under ``live`` how far each run at work is."""
        from blut_assets.cli.views.jobs import job_rows
        from blut_resources.instance.instance import home_of

        home, chosen = home_of(instance), self.runs(instance, wanted)
        of = (chosen, _runs_stamp(home))
        if all(of[1]) and of == seen.listed_of:  # no run has begun or ended: only those at work go on
            return self._gone_on(instance, home, seen, chosen)
        rows, until = list[dict[str, Any]](), time.monotonic() + LOOK_S
        for row in islice(job_rows(instance, chosen, seen.ended), MOST):
            rows.append({**row, "live": _live(home, seen, row)})
            seen.partly = time.monotonic() > until
            if seen.partly:
                break
        seen.listed, seen.listed_of = rows, () if seen.partly else of
        working = {row["id"] for row in rows if row["live"] is not None}
        seen.live = {name: one for name, one in seen.live.items() if name in working}
        return rows

    def _gone_on(
        self, instance: "dg.DagsterInstance", home: Path, seen: LooksBefore, chosen: "dg.RunsFilter"
    ) -> Rows:
        import dagster as dg

        from blut_assets.cli.views.jobs import job_rows

        working = [row["id"] for row in seen.listed if row["live"] is not None]
        if not working:
            return seen.listed
        few = dg.RunsFilter(run_ids=working, tags=chosen.tags)
        found = {row["id"]: row for row in job_rows(instance, few, seen.ended)}
        seen.listed = [
            {**found[row["id"]], "live": _live(home, seen, row)} if row["id"] in found else row
            for row in seen.listed
        ]
        return seen.listed

    def runs(self, instance: "dg.DagsterInstance", wanted: LookWanted) -> "dg.RunsFilter":
        """Returns which runs are shown."""
        import dagster as dg

        return dg.RunsFilter()

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return _job_line("id", "state", "recipe", "age", "took", "progress", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each row; a run at work has a second line."""
        found = []
        for row in rows:
            state = f"{row['state']} ({row['where']})" if row["where"] else row["state"]
            title = f"{row['recipe']}[{row['partition']}]" if row["partition"] else row["recipe"]
            cells = row["id"][:8], state, title, ago(row["started"]), duration(row["seconds"])
            lines = _job_lines(cells, text_of(row["progress"]), width)
            lines += tuple(_live_lines(row, width, braille)) if row["live"] else ()
            run = "" if "trials" in row else row["id"]
            found.append(DrawnRow(row["id"], lines, tone_of(row["state"]), run))
        return found


class HistoryView(JobsView):
    """Shows the runs of the recipe of the chosen run, the newest first: as `blut jobs --recipe`."""

    key, title = "H", "history"
    nothing = "no run of a recipe"

    def runs(self, instance: "dg.DagsterInstance", wanted: LookWanted) -> "dg.RunsFilter":
        """Returns which runs are shown.

        Raises:
            LookupError: the run was deleted, or is of no recipe.
        """
        import dagster as dg

        from blut_assets.recipes.recipe import RECIPE_TAG

        newest = instance.get_runs(limit=1)
        run = instance.get_run_by_id(wanted.run) if wanted.run else newest[0] if newest else None
        if run is None:
            raise LookupError("no run yet: `blut recipe list` says what can be run")
        if RECIPE_TAG not in run.tags:
            raise LookupError(f"run {run.run_id[:8]} is of no recipe: choose another one among the jobs (J)")
        return dg.RunsFilter(tags={RECIPE_TAG: run.tags[RECIPE_TAG]})


class TrialsView(JobsView):
    """Shows the trials of one sweep: as `blut jobs --sweep`."""

    key, title = "trials", "trials"
    nothing = "no trial of this sweep has begun"

    def runs(self, instance: "dg.DagsterInstance", wanted: LookWanted) -> "dg.RunsFilter":
        """Returns which runs are shown."""
        import dagster as dg

        from blut_assets.sweeps.record import SWEEP_TAG

        return dg.RunsFilter(tags={SWEEP_TAG: wanted.asked})


def _runs_stamp(home: Path) -> tuple[int, ...]:
    """Returns what changes when a run begins or ends; a 0 in it where the history is not in files there."""
    found = []
    for name in ("runs.db", "runs.db-wal"):
        try:
            found.append((home / "history" / name).stat().st_mtime_ns)
        except OSError:
            found.append(0)
    return (max(found), min(found[0], 1))


def _live(home: Path, seen: LooksBefore, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns how far a run is; None of one that has ended, and of a sweep."""
    from blut_assets.cli.views.jobs import UNREADABLE
    from blut_assets.cli.views.live import LiveRun
    from blut_resources.machine import liveness
    from blut_resources.runs.files import status_path

    if row["id"] in seen.ended or "trials" in row:
        return None
    one = seen.live.setdefault(row["id"], LiveRun(status_path(home, row["id"])))
    mark = home / "alive" / row["id"]
    try:
        facts = one.facts()
    except UNREADABLE:
        facts = {}
    return {**facts, "gone": mark.exists() and liveness.marked(mark) == "no", "now": time.time()}


@lru_cache(2 * MOST)  # all but the runs at work are as they were, and to lay them out is what a look costs
def _job_lines(cells: tuple[str, str, str, str, str], progress: str, width: int) -> tuple[str, ...]:
    """Returns a line, and where what is said of the progress has no room in it, that below it."""
    first = _job_line(*cells, progress, width)
    if not first.endswith("~"):
        return (first,)
    told = wrapped(progress, width - 4)
    return (_job_line(*cells, "", width), *(f"    {line}" for line in told[:WHY_LINES]))


def _job_line(name: str, state: str, recipe: str, age: str, took: str, progress: str, width: int) -> str:
    cells = [(name, 8), (state, 11), (recipe, 20)]
    cells += [(age, 10), (took, 8)] if width >= WIDE else []
    return table(cells, progress, width)


def _live_lines(row: Mapping[str, Any], width: int, braille: bool) -> list[str]:
    live = row["live"]
    if live["gone"]:
        return [cut("    its process is gone: any other command of `blut` marks it as failed", width)]
    if not live.get("asset"):
        return []
    parts = [live["at"], *([f"for {duration(live['now'] - live['since'])}"] if live["since"] else [])]
    if live["curve"]:
        curve = sparkline(live["curve"], 12, braille=braille)
        parts.append(f"{live['metric']} {live['curve'][-1]:.4g} {curve}")
    if live["left_s"] is not None:
        parts.append(f"ETA {duration(live['left_s'])}" if live["left_s"] else "ETA passed")
    if live["memory"]:
        limit = (
            f" of {size_text(live['limit'])} {bar(live['memory'], live['limit'])}" if live["limit"] else ""
        )
        parts.append(f"memory {size_text(live['memory'])}{limit}")
    if row["holds"]:
        parts.append(f"holds {row['holds']}")
    return [f"    {line}" for line in wrapped("  ".join(filter(None, parts)), width - 4)]


class LogView:
    """Shows what happened in one run, followed: as `blut log`."""

    key, title = "L", "log"
    nothing = "nothing has happened in this run yet"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the newest events of a run, of the newest run where none is chosen, oldest first.

        Raises:
            LookupError: there is no run, or it was deleted.
        """
        from blut_assets.cli.views.log import RunLog, RunStream
        from blut_resources.instance.instance import home_of
        from blut_resources.runs.files import status_path

        run, events = wanted.run, wanted.other
        run = run or next((one.run_id for one in instance.get_runs(limit=1)), "")
        if not run:
            raise LookupError("no run yet: `blut recipe list` says what can be run")
        if instance.get_run_by_id(run) is None:
            raise LookupError(f"run {run[:8]} is not there any more: it was deleted")
        if seen.log is None or seen.log[:2] != (run, events):
            source = RunStream(status_path(home_of(instance), run)) if events else RunLog(instance, run)
            seen.log, seen.events = (run, events, source), []
        seen.events = [*seen.events, *seen.log[2]()][-EVENTS:]
        return [{**event, "run": run} for event in seen.events]

    def head(self, width: int) -> str:
        """Returns nothing: lines of a log have no columns."""
        return ""

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each event, with its lines broken between words."""
        from blut_assets.cli.views.log import event_line

        clock, found = LineTimes(), []
        for number, row in enumerate(rows):
            event = {name: value for name, value in row.items() if name != "run"}
            lines = wrapped(event_line(event, clock), width, "         ")
            tone = BAD if row["kind"] in ("error", "critical", "step_failure", "run_failure") else ""
            found.append(DrawnRow(f"{number} {row['t']}", tuple(lines), tone, row["run"]))
        return found


class SystemView:
    """Shows who holds this machine and who waits for it, and what `blut doctor` finds."""

    key, title = "Y", "system"
    nothing = "nothing was found"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the claims of now, and the findings of `blut doctor`, which are looked for once."""
        import logging

        from blut_assets.cli.commands.checkup import checkup
        from blut_assets.cli.views.system import claims

        if not seen.findings:
            log = logging.getLogger("blut")
            log.disabled = True  # what it warns of has a row of its own
            try:
                seen.findings = [finding._asdict() for finding in checkup()]
            finally:
                log.disabled = False
        return [*claims(), *seen.findings]

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return table([("state", 8)], "what", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each claim and for each finding."""
        found = []
        for row in rows:
            if "about" in row:
                key, run, text = f"{row['about']} {row['found']}", "", f"{row['about']}: {row['found']}"
                text += f" -> {row['remedy']}" if row["remedy"] else ""
            else:
                key, run = f"{row['state']} {row['run']} {row['asset']} {row['since']}", row["run"]
                text = f"{row['what']}: {row['asset']} of run {run[:8]}, began {ago(row['since'])}"
            lines = wrapped(text, width - 9)
            state = f"{row['state']:8} "
            drawn = [f"{state if not n else ' ' * 9}{line}" for n, line in enumerate(lines)]
            found.append(DrawnRow(key, tuple(drawn), tone_of(row["state"]), run))
        return found


class VerdictsView:
    """Shows what the newest run of each recipe came to, and why not: as `blut results`."""

    key, title = "V", "verdicts"
    nothing = "no recipe has run here; `blut recipe list` says which there are"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut results` without ID."""
        from blut_assets.definitions import discovered
        from blut_assets.history.newest import newest

        recipes = [recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes]
        return [one.as_dict() for one in newest(instance, recipes)]

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return table([("run", 8), ("ended", 10), ("recipe", 24)], "name and figures, or why not", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each recipe; each reason why it gave no name has lines of its own."""
        found = []
        for row in rows:
            title = f"{row['recipe']}[{row['partition']}]" if row["partition"] else row["recipe"]
            last = " ".join(filter(None, (row["alias"], numbers(row["figures"]))))
            first = table([(row["run"][:8], 8), (row["ended"], 10), (title, 24)], last, width)
            reasons = [line for why in row["why"].split("; ") if why for line in wrapped(why, width - 4)]
            lines = (first, *(f"    {line}" for line in reasons))
            found.append(
                DrawnRow(f"{row['recipe']} {row['partition']}", lines, tone_of(row["ended"]), row["run"])
            )
        return found


class KeysView:
    """Shows the keys."""

    key, title = "?", "keys"
    nothing = ""
    TOLD = (
        "J        jobs: the runs, and how far each is",
        "L        log of the chosen run, followed; e its own stream of events, and back",
        "M        metrics: the curves of the chosen run, or of those marked; l by their logarithm",
        "B        leaderboard: the results of each recipe, the best first, and the args that differ;"
        " p shows the plan of a run with the args of the chosen one",
        "V        verdicts: what each recipe came to, and why not",
        "D        models: what their aliases stand for, and their versions; p promotes the chosen one",
        "G        graph: the assets of the chosen run's recipe, by stage: fresh or stale, and why",
        "I        lineage: what the chosen artifact, or the last of the chosen run, was made of, and what of"
        " it; I again goes on from the row; v compares its bytes with its digest",
        "A        store: what it holds by asset, and what can be freed",
        "H        history: the runs of the chosen run's recipe",
        "C        compare: what differs between the two runs that are marked",
        "Y        system: who holds this machine, who waits, what blut doctor finds; r looks again",
        "S        policy: what each would do now, why not, and when it starts next; r looks again",
        "R        run a recipe: type some of its letters, fill in its form, see its plan, Enter runs it",
        "P        the recipes, to look at: Enter opens the form of one, / filters",
        "space    mark the chosen run for M (up to four) and for C (two), or no more",
        "up down  choose a row; PageUp, PageDown, Home, End too; End follows a log",
        "Enter    opens the log of the chosen run, or the trials of a sweep",
        "Esc      back; it also drops a filter",
        "/        filter: only rows that contain the text; in a log that is the search",
        "x        export the marked runs, or the chosen one: a report, TensorBoard, MLflow",
        "c        cancel the chosen run: says what is lost, and Enter within 3 s does it",
        "q        quit: no run ends by it",
    )

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns a row for each key."""
        return [{"told": told} for told in self.TOLD]

    def head(self, width: int) -> str:
        """Returns nothing."""
        return ""

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each key."""
        return [DrawnRow(row["told"], tuple(wrapped(row["told"], width, " " * 9)), HEAD) for row in rows]


PANES: Mapping[str, Pane] = {
    one.key: one
    for one in (
        *(JobsView(), LogView(), MetricsView(), LeaderboardView(), VerdictsView(), RecipesView()),
        *(ModelsView(), GraphView(), LineageView(), ComparisonView(), StoreView(), HistoryView()),
        *(SystemView(), PoliciesView(), KeysView(), FormView(), PlanView(), TrialsView()),
    )
}
"""By their keys; those that no key opens come last."""
