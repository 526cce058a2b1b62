"""The evening, the night and the morning, in that order."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from bench.night import morning
from bench.night.cases import CASES
from bench.night.morning import Cell
from bench.night.table import Table
from bench.night.training import CODEC, TOY, Training
from bench.night.world import World

AT_ONCE = 4
"""Commands in the morning; each takes seconds to start."""
EPOCHS = {TOY: 8, CODEC: 30}
RECORDINGS = "synthetic:subjects=3,seconds=30,seed=0"
CORPUS = ("recordings", "split_request", "lma_corpus", "split_manifest", "training_windows")
SPLIT = '{"val_fraction": 0.34, "test_fraction": 0.33}'
Beside = list["subprocess.Popen[bytes]"]


def spend(root: Path, names: Sequence[str], seed: int, *, ui: bool) -> Table:
    """One night; every cell of the morning's table, by training, and under an empty name what is left."""
    world = World(root)
    try:
        trainings = _drawn(world, names, seed)
        if any(training.case.kind == CODEC for training in trainings):
            _corpus(world)
        tell(f"{len(trainings)} trainings begin")
        beside = [world.start(["ui", "--port", "0"], "desk", "ui")] if ui else []
        with ThreadPoolExecutor(len(trainings)) as pool:
            nights = [pool.submit(training.run) for training in trainings]
            if ui:
                _restart(world, beside)
            for night in nights:
                night.result()
        for place in world.full.values():
            world.give_room(place)
        tell("the morning")
        table = _morning(world, trainings)
        _end(beside)
        homes = {training.case.home: training.shell for training in trainings}
        table[""] = [asdict(cell) for cell in morning.aftermath(world, homes)]
        return table
    finally:
        world.close()


def tell(what: str) -> None:
    """Say how far the night is."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _drawn(world: World, names: Sequence[str], seed: int) -> list[Training]:
    """The trainings, and by the seed when each is hurt."""
    drawn, found = random.Random(seed), []
    for number, case in enumerate(CASES, 1001):
        epochs = EPOCHS[case.kind]
        at, delay_s = drawn.randint(2, epochs // 2), drawn.random() * 0.5
        if case.name in names:
            found.append(Training(case, world, number, at, epochs, delay_s))
    return found


def _corpus(world: World) -> None:
    """What codecs are trained on, made before the evening."""
    configs = {"recordings": f'{{"edf_root": "{RECORDINGS}"}}', "split_manifest": SPLIT}
    for name in CORPUS:
        words = ["stage", "run", f"lamquant/{name}", "--config", configs.get(name, "{}")]
        status, out, err = world.blut(words, "desk")
        if status:
            raise RuntimeError(f"{words}: status {status}\n{out[-1000:]}{err[-2000:]}")


def _restart(world: World, beside: Beside) -> None:
    """End UI and daemon in the middle of the night, and start them again."""
    time.sleep(20)
    _end(beside)
    beside.append(world.start(["ui", "--port", "0"], "desk", "ui"))


def _end(beside: Beside) -> None:
    for process in beside:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(60)


def _morning(world: World, trainings: list[Training]) -> Table:
    """First all that is said of the night, then every command once more."""
    table: dict[str, list[Cell]] = {}
    lists = {t.case.home: morning.listed(world, t.case.home, **t.shell) for t in trainings}
    for training in trainings:
        rows, run = lists[training.case.home], training.run_id()
        row = next((row for row in rows if row["id"] == run), None)
        said = list(morning.cells(training, row, run)) if row else [Cell("state", "-", "in no listing")]
        table[training.case.name] = said
    tell("once more")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda training: list(morning.again(training, **training.shell)), trainings)
        for training, more in zip(trainings, found, strict=True):
            table[training.case.name] += more
    return {name: [asdict(cell) for cell in cells] for name, cells in table.items()}
