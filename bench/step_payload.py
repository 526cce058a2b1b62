"""The training of the joint codec, timed from inside: as a payload, or as the bare loop with ``--bare FILE``.

Both train the same epochs on the same windows with the same code. The payload also reports each epoch,
keeps a resumable state of it, and runs under the supervisor; the bare loop does nothing of that.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from blut_resources.payload_kit.config import read, read_config
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.session import payload_session
from cookbooks.lamquant.codec.data import load_corpus
from cookbooks.lamquant.codec.presets import judged_at
from cookbooks.lamquant.codec.training import Trainer
from cookbooks.lamquant.payload.joint_train import JointSettings, train


def bare(config: dict[str, Any], windows: Path) -> dict[str, float]:
    """Seconds per training step of the loop by itself."""
    settings = read(config, JointSettings)
    preset, tiers = settings.sizes(), judged_at(settings.tier)
    _settings()
    trainer = Trainer(load_corpus(windows), preset, tiers, settings.seed, torch.device("cpu"))

    def loop() -> Trainer:
        while trainer.epoch < preset.epochs:
            trainer.run_epoch()
        return trainer

    return _timed(loop)


def _settings() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def _timed(loop: Callable[[], Trainer]) -> dict[str, float]:
    cpu, started = time.process_time(), time.perf_counter()
    trainer = loop()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    steps = trainer.steps
    return {"wall": seconds / steps, "cpu": cpu_seconds / steps, "steps": steps}


def main() -> None:
    """Entry point of both."""
    if sys.argv[1:2] == ["--bare"]:
        given = json.loads(Path(sys.argv[2]).read_text())
        print(json.dumps(bare(given["config"], Path(given["windows"]))))
        return
    with payload_session() as session:
        settings = read_config(session, JointSettings)
        _settings()
        corpus = load_corpus(session.inputs["windows"])
        session.done(**_timed(lambda: train(session, settings, corpus, Ending())))


if __name__ == "__main__":
    main()
