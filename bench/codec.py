"""The codec in rate, distortion and speed: beside what it was before, and beside classical coders.

The checkpoint is that of the demo, if the demo has been run in the current instance; else the same job is
run in an instance under ``build/bench``, where the next benchmark finds it. It was trained on the set
``scp1`` and chosen by ``blink``; nothing was fitted on the other sets. ``--quick`` trains the smoke preset on
synthetic recordings, whose figures say nothing about real EEG.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.codec_before import NoHistory, trained_before
from bench.codec_table import FLAC, Curves, long_rows, lossless_rows, rate_rows, speed_rows
from bench.homes import CACHE, main_job, make_home, scratch, smoke_args
from bench.measure import REPOSITORY, run
from bench.table import Row, skipped

DEMO = REPOSITORY / "cookbooks" / "lamquant" / "configs" / "args_demo.yaml"
SETS = ("scp2", "blink", "fingers", "fingers put right", "eyes", "meg")
LOSSLESS_SETS = ("scp1", "scp2", "blink", "fingers", "fingers put right", "eyes")
SPEED_SETS = ("scp2", "fingers")
QUICK_ASKED = (6.5, 15.0)
NOT_MADE = 3
MADE_UP = "smoke on "


def rows(quick: bool) -> list[Row]:
    """CR at equal PRDN, speed, lossless, long recordings."""
    if quick:
        home = CACHE / "quick"  # kept: what is compiled for it takes longer than all the rest
        home.mkdir(parents=True, exist_ok=True)
        args = smoke_args(home)
        made = _made_here(home, args)
    else:
        import yaml

        args = yaml.safe_load(DEMO.read_text())
        made = _made(args, dict(os.environ)) or _made_here(CACHE / "home", args)
    given: dict[str, Any] = {
        "checkpoint": made["joint_checkpoint"],
        "windows": made["training_windows"],
        "sets": [] if quick else SETS,
        "asked": QUICK_ASKED if quick else None,
    }
    lines = []
    try:
        given["before"] = str(trained_before(Path(made["training_windows"]), args))
    except NoHistory as error:
        given["before"] = None
        lines.append(skipped("codec", "against v1", f"its trainer cannot be had: {error}"))
    for part in (_rate_and_speed, _lossless, _days):
        try:
            lines += part(given, quick)
        except RuntimeError as error:  # the other parts took minutes
            lines.append(skipped("codec", part.__name__.strip("_"), str(error).splitlines()[-1]))
    return lines


def _rate_and_speed(given: dict[str, Any], quick: bool) -> list[Row]:
    points = _points("bench.codec_score", given)
    if quick:
        return rate_rows(Curves(points, QUICK_ASKED), MADE_UP)
    curves = Curves(points)
    return [*rate_rows(curves, ""), *speed_rows(curves, SPEED_SETS)]


def _lossless(given: dict[str, Any], quick: bool) -> list[Row]:
    points = _points("bench.codec_lossless", {"sets": [] if quick else LOSSLESS_SETS})
    lines = lossless_rows(points, MADE_UP if quick else "")
    if all(point["coder"] != FLAC for point in points):
        why = "the package `soundfile` is not installed"
        lines.append(skipped("codec", "lossless against FLAC", why))
    return lines


def _days(given: dict[str, Any], quick: bool) -> list[Row]:
    sizes = [] if quick else [(1, 1), (24, 1), (0.25, 21), (1, 21)]
    common = {"checkpoint": given["checkpoint"], "target": "noise_ratio=0.17"}
    days = [{**common, "hours": hours, "channels": channels} for hours, channels in sizes]
    return long_rows([_points("bench.codec_long", day)[0] for day in days])


def _made_here(home: Path, args: dict[str, Any]) -> dict[str, str]:
    env = make_home(home)
    main_job(env, args, expect=None)  # a codec that the gate refuses has a rate and a distortion too
    made = _made(args, env)
    if not made:
        raise RuntimeError(f"the main job in {home} left no checkpoint: run `blut plan` there")
    return made


def _made(args: dict[str, Any], env: dict[str, str]) -> dict[str, str]:
    found = _points("bench.codec_made", args, env, expect=(0, NOT_MADE))
    return found[0] if found else {}


def _points(
    module: str, given: dict[str, Any], env: dict[str, str] | None = None, expect: tuple[int, ...] = (0,)
) -> list[dict[str, Any]]:
    """The objects that a module prints about a JSON file; on one thread, so that CPU seconds compare."""
    one = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with scratch() as directory:
        path = directory / "given.json"
        path.write_text(json.dumps(given))
        done = run([sys.executable, "-m", module, str(path)], env={**one, **(env or {})}, expect=expect)
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / f"{module}.jsonl").write_text(done.stdout)  # minutes of work, whatever becomes of the table
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
