"""Rate and distortion of the trained joint codec against the trained-DCT anchor, on a patient never seen.

The checkpoint is that of the demo, if the demo has been run in the current instance; else the same job is
run in an instance under ``build/bench``, where the next benchmark finds it. ``--quick`` trains the smoke
preset on synthetic recordings, whose figures say nothing about real EEG.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.homes import CACHE, main_job, make_home, scratch, smoke_args
from bench.measure import REPOSITORY, run
from bench.table import Quantity, Row

DEMO = REPOSITORY / "cookbooks" / "lamquant" / "configs" / "args_demo.yaml"
NOT_TRAINED = 3


def rows(quick: bool) -> list[Row]:
    """CR at equal PRDN, one line per operating point."""
    with scratch() as directory:
        if quick:
            points = _trained_here(directory / "home", smoke_args(directory))
        else:
            import yaml

            args = yaml.safe_load(DEMO.read_text())
            points = _score(args, dict(os.environ)) or _trained_here(CACHE / "home", args)
    return [_row(point, "smoke on SYNTHETIC" if quick else "demo") for point in points]


def _trained_here(home: Path, args: dict[str, Any]) -> list[dict[str, Any]]:
    env = make_home(home)
    main_job(env, args, expect=None)  # a codec that the gate refuses has a rate and a distortion too
    points = _score(args, env)
    if not points:
        raise RuntimeError(f"the main job in {home} left no checkpoint: run `blut plan` there")
    return points


def _score(args: dict[str, Any], env: dict[str, str]) -> list[dict[str, Any]]:
    with scratch() as directory:
        given = directory / "args.json"
        given.write_text(json.dumps(args))
        command = [sys.executable, "-m", "bench.codec_score", str(given)]
        done = run(command, env=env, expect=(0, NOT_TRAINED))
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _row(point: dict[str, Any], which: str) -> Row:
    ours, dct = point["ours"], point["dct"]
    name = f"{which}, PRDN {ours['prdn']:.2f} %" + (" (its tier)" if point["own_tier"] else "")
    note = f"R of the worst recording: joint {ours['r']:.4f}, DCT {dct['r']:.4f} at PRDN {dct['prdn']:.2f} %"
    cr, base = Quantity("CR", [ours["cr"]]), Quantity("CR", [point["dct_cr"]])
    return Row("codec", name, cr, "DCT anchor, equal PRDN", base, note=note, facts=point)
