"""Shows the retraining policies: on or off, the first reason why none starts now, and when one does."""

from typing import TYPE_CHECKING

from blut_assets.cli.cockpit.drawing import GOOD, WAITS, DrawnRow, wrapped
from blut_assets.cli.cockpit.pane import LooksBefore, LookWanted, Rows
from blut_assets.terminal.output import moment

if TYPE_CHECKING:
    import dagster as dg


class PoliciesView:
    """Shows what each policy would do now and when it starts next: as `blut policy check`."""

    key, title = "S", "policy"
    nothing = "off: there is no policy, so nothing retrains by itself; `blut policy enable` makes one"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the rows of `blut policy check`; nothing is started.

        Raises:
            PolicyError: the file cannot be read, or a policy that is on cannot be acted on.
        """
        from blut_assets.cli.commands.policy_check import evaluated
        from blut_assets.cli.views.policies import policy_rows
        from sensors.policy.file import policy_path, read

        file = read(policy_path())
        return policy_rows(file, evaluated(instance, file))

    def head(self, width: int) -> str:
        """Returns nothing: what is said of a policy has lines, not columns."""
        return ""

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each policy: its state, the reason, when it starts next, what works against
        its schedule.
        """
        return [self._drawn(row, width) for row in rows]

    def _drawn(self, row: dict[str, object], width: int) -> DrawnRow:
        from sensors.policy.decide import OFF

        state = "retrains" if row["run"] else "off" if row["reason"] == OFF else "waits"
        recipe = f" ({row['recipe']})" if row["recipe"] else ""
        told = [f"why: {row['reason']}", _next(row)] if state != "off" else [f"why: {row['reason']}"]
        lines = wrapped(f"{row['policy']}: {state}{recipe}", width)
        for text in [*told, *row["remarks"]]:  # pyright: ignore[reportGeneralTypeIssues]
            lines += [f"    {line}" for line in wrapped(str(text), width - 4, "  ")]
        tone = {"retrains": GOOD, "waits": WAITS}.get(state, "")
        return DrawnRow(str(row["policy"]), tuple(lines), tone)


def _next(row: dict[str, object]) -> str:
    from datetime import datetime

    if row["run"]:
        return "next start: now"
    if row["next_start"]:
        when = moment(datetime.fromisoformat(str(row["next_start"])).timestamp())
        return f"next start: {when}, {row['next_start_why']}"
    why = row["next_start_why"]
    return f"next start: never: {why}" if why else "next start: not known"
