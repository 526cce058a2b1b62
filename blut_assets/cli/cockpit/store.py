"""Shows what the artifact store holds and what can be freed of it."""

from typing import TYPE_CHECKING

from blut_assets.cli.cockpit.drawing import DrawnRow, table, wrapped
from blut_assets.cli.cockpit.pane import LooksBefore, LookWanted, Rows
from blut_assets.terminal.output import size

if TYPE_CHECKING:
    import dagster as dg


class StoreView:
    """Shows the bytes of the store by asset, the largest first: as `blut cache show`."""

    key, title = "A", "store"
    nothing = "nothing is stored yet"

    def read(self, instance: "dg.DagsterInstance", seen: LooksBefore, wanted: LookWanted) -> Rows:
        """Returns the totals of `blut cache show`, and a last row for what can be freed."""
        from blut_assets.cli.views.store import free_words, store_held

        found = store_held(instance)
        free = {"store": found["store"], "free": free_words(found["free_now"])}
        return [*found["totals"], free] if found["totals"] else []

    def head(self, width: int) -> str:
        """Returns the names of the columns."""
        return table([("bytes", 10), ("artifacts", 9), ("asset", 34)], "removed by", width)

    def draw(self, rows: Rows, width: int, braille: bool) -> list[DrawnRow]:
        """Returns an entry for each asset, and one for the whole."""
        found = []
        for row in rows:
            if "free" in row:
                lines = wrapped(f"{row['store']}: {row['free']}", width)
                found.append(DrawnRow("free", tuple(lines)))
                continue
            cells = [(size(row["bytes"]), 10), (str(row["artifacts"]), 9), (row["asset"], 34)]
            line = table(cells, row["remove"], width)
            found.append(DrawnRow(f"{row['asset']} {row['where']}", (line,)))
        return found
