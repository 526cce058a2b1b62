"""A night of trainings on a bad day, and what is said of them in the morning.

All are started at once, as a person does it in the evening, in several homes with one store and one queue
of leases. Payloads and runs are killed, stopped and hung up, disks fill, a tracker does not answer, clocks
jump by a day. What is said of each in the morning is compared with what is known of it: each payload keeps an
account of its own. Then each command is typed once more.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import REPOSITORY
from bench.table import Quantity, Row, Target, skipped

NONE = Target("ours", "<=", 0)
QUICK = ("payload-killed", "hang-up", "day-on", "--no-ui")


def rows(quick: bool) -> list[Row]:
    """A line a training, and one for what is left: how many cells of the morning's table are wrong."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "table.json")
        words = [sys.executable, "-m", "bench.night", "--out", out, *(QUICK if quick else ())]
        done = subprocess.run(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        if not out.exists():
            return [skipped("night", "not spent", done.stdout.strip()[-300:] or f"status {done.returncode}")]
        table = json.loads(out.read_text())
    return [_row(name or "what is left", cells) for name, cells in table.items()]


def _row(name: str, cells: list[dict[str, str]]) -> Row:
    wrong = [f"{cell['what']} {cell['shown']}: {cell['wrong']}" for cell in cells if cell["wrong"]]
    counted = Quantity("wrong cells", [float(len(wrong))])
    return Row("night", f"{name}, {len(cells)} cells", counted, target=NONE, note="; ".join(wrong)[:300])
