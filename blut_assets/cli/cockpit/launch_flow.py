"""Leads from a recipe through its form and its plan to a run, by keys."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from blut_assets.cli.cockpit.draft import Draft
from blut_assets.cli.cockpit.pane import Rows
from blut_assets.cli.cockpit.recipes import FORM, GO_ON, PLAN, RecipesView, about_argument, cost

RECIPES = RecipesView.key


class FlowStep(NamedTuple):
    """Says what a key leads to: another view, the start of a run, or a sentence."""

    pane: str = ""
    starts: bool = False
    said: str = ""


class LaunchFlow:
    """Keeps the draft of a run from one view to the next."""

    def __init__(self) -> None:
        self.draft = Draft("")
        self.starting = False

    def choose(self, recipe: str) -> None:
        """Start with a recipe, or go on with its draft."""
        if recipe != self.draft.recipe:
            self.draft = Draft(recipe)

    def again(self, recipe: str, args: Mapping[str, Any], partition: str) -> None:
        """Go on with what an earlier run was given, at its plan."""
        self.draft = Draft(recipe)
        self.draft.again(args, partition)

    def asked(self, pane: str) -> str:
        """Returns what a view is to be asked about; empty for a view of anything else."""
        if not self.draft.recipe:
            return ""
        return {FORM: self.draft.asked(), PLAN: self.draft.chosen}.get(pane, "")

    def title(self, pane: str) -> str:
        """Returns the heading of a view of the flow."""
        return f"blut {RECIPES} {'plan of' if pane == PLAN else 'run'} {self.draft.recipe}"

    def key(
        self, pane: str, key: str, letter: str | None, chosen: str, rows: Rows, *, current: bool
    ) -> FlowStep | None:
        """Take a key in one of these views; None for a key that means nothing there.

        Args:
            chosen: the key of the row with the cursor.
            current: whether the rows are of what is asked now.
        """
        if pane == RECIPES and key == "enter" and chosen:
            self.choose(chosen)
            return FlowStep(FORM)
        if pane == PLAN and key == "enter":
            return self._run(rows, current)
        if pane != FORM:
            return None
        row = next((one for one in rows if one["argument"] == chosen), None)
        if letter == "p" or (key == "enter" and chosen == GO_ON):
            return self._go_on(rows, current)
        return FlowStep() if row is not None and self._change(row, key, letter) else None

    def _change(self, row: Mapping[str, Any], key: str, letter: str | None) -> bool:
        if row["choices"] and (key in ("enter", "left", "right") or letter == " "):
            self.draft.turn(row, -1 if key == "left" else 1)
        elif key == "enter":
            self.draft.begin(row)
        elif letter == "d":
            self.draft.drop(row)
        else:
            return False
        return True

    def _go_on(self, rows: Rows, current: bool) -> FlowStep:
        if not current:
            return FlowStep(said="the args are being checked; once more in a moment")
        if wrong := [row for row in rows if row["problem"]]:
            return FlowStep(said=f"first mend this: {wrong[0]['problem']}")
        self.draft.choose(rows)
        return FlowStep(PLAN)

    def _run(self, rows: Rows, current: bool) -> FlowStep:
        if self.starting or not current:
            return FlowStep(said="it is starting" if self.starting else "the plan is not there yet")
        self.starting = True
        return FlowStep(starts=True, said=f"starting {self.draft.recipe} as a process of its own ...")

    def _while_editing(self) -> str:
        told = "Enter takes it, Esc leaves it as it was, Ctrl-U empties it"
        fitting = [one for one in self.draft.fitting() if one != self.draft.text]
        return f"{told}, Tab completes it: {', '.join(fitting)}" if fitting else told

    def sentence(self, pane: str, chosen: str, rows: Rows) -> str:
        """Returns what is said below a view of the flow; empty where nothing is."""
        if pane == PLAN and rows:
            told = cost(rows)
            return (
                f"{told}. Esc goes back"
                if told.startswith("cannot")
                else f"{told}. Enter runs it, Esc goes back"
            )
        if pane == FORM:
            row = next((one for one in rows if one["argument"] and one["argument"] == chosen), None)
            if self.draft.editing:
                return self._while_editing()
            return about_argument(row) if row else "p or Enter on the last row: the plan of what would run"
        return "type some of its letters; Enter opens its form, Esc ends typing" if pane == RECIPES else ""
