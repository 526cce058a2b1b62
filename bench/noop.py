"""A re-run of the whole main job when nothing has changed, and its plan.

The job trains the smoke preset on synthetic recordings and is judged by floors that it reaches, so that
all eight assets are there and the codec is promoted. How long the first run took does not matter here.
"""

import json
from functools import partial

from bench.homes import main_job, make_home, scratch, smoke_args
from bench.measure import in_turns, python
from bench.startup import FLOOR, cli, on_quiet_machine
from bench.table import Row, Target, peak, wall


def rows(quick: bool) -> list[Row]:
    """Wall, CPU and memory of the no-op re-run and of the plan."""
    with scratch() as directory:
        env, args = make_home(directory / "home"), smoke_args(directory)
        main_job(env, args)
        plan = cli("plan", "lamquant_joint_codec", "--args", json.dumps(args))
        contenders = {
            FLOOR: partial(python, FLOOR),
            "again": partial(main_job, env, args),
            "plan": partial(python, plan, env=env),
        }
        runs = in_turns(3 if quick else 5, contenders)
    base, again, planned = (runs[name] for name in contenders)
    last = again[-1].stdout.strip().splitlines()[-1]
    note = f"what ran: {last.split(', run ')[0]}; {on_quiet_machine(wall(again), wall(base))}"
    seconds = Target("ours", "<=", 3)
    return [
        Row("noop", "main job again", wall(again), FLOOR, wall(base), seconds, note),
        Row("noop", "main job again, peak memory", peak(again), FLOOR, peak(base)),
        Row("noop", "blut plan of the main job", wall(planned), FLOOR, wall(base)),
    ]
