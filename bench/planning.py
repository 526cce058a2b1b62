"""Planning a graph of 1000 assets of which none has to run: the longest answer that must feel immediate."""

import json
import sys
from functools import partial

from bench.homes import make_home, scratch
from bench.measure import in_turns, python, run
from bench.startup import FLOOR, on_quiet_machine
from bench.table import Quantity, Row, Target, wall


def rows(quick: bool) -> list[Row]:
    """The first plan in a fresh process, without the load of the definitions."""
    count = 200 if quick else 1000
    with scratch() as directory:
        env = make_home(directory / "home")
        command = [sys.executable, "-m", "bench.planning_graph", str(count)]
        run(command, env=env)
        contenders = {FLOOR: partial(python, FLOOR), "plan": partial(run, [*command, "plan"], env=env)}
        runs = in_turns(3 if quick else 5, contenders)
    found = [json.loads(r.stdout) for r in runs["plan"]]
    if any(each["fresh"] != count for each in found):
        raise RuntimeError(f"the plan calls {found[0]['fresh']} of {count} assets fresh: measures nothing")
    ours = Quantity("s", [each["wall"] for each in found], [each["cpu"] for each in found])
    build = Quantity("s", [each["build"] for each in found])
    base, limit = wall(runs[FLOOR]), Target("ours", "<=", 0.6 * count / 1000)
    note = on_quiet_machine(ours, base)
    return [
        Row("planning", f"plan {count} fresh assets", ours, FLOOR, base, limit, note),
        Row("planning", f"declare {count} assets", build, FLOOR, base),
    ]
