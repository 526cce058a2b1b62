"""Three assets, of which the middle one waits: another run can come between the first and the last."""

import os
import time
from pathlib import Path

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, stage_asset
from blut_assets.stages.handles import HANDLES


class Word(Artifact):
    """A word on disk."""

    kind = "test.word"


class FirstConfig(StageConfig):
    """Which word."""

    word: str = "a"


@stage_asset(cookbook="torn", group="a")
def first(stage: Stage, config: FirstConfig) -> Word:
    """The word."""
    (stage.out / "word").write_text(config.word)
    return Word()


@stage_asset(cookbook="torn", group="a")
def middle(stage: Stage, first: Word) -> Word:
    """The word, when the gate opens."""
    gate = Path(os.environ["TORN_GATE"])
    gate.with_suffix(".reached").touch()
    deadline = time.monotonic() + 300
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (stage.out / "word").write_text((stage.open(first) / "word").read_text())
    return Word()


@stage_asset(cookbook="torn", group="a")
def last(stage: Stage, first: Word, middle: Word) -> Word:
    """Both words."""
    words = [(stage.open(word) / "word").read_text() for word in (first, middle)]
    (stage.out / "word").write_text(" ".join(words))
    stage.show(words=" ".join(words))
    return Word()


defs = dg.Definitions(
    assets=[first, middle, last],
    resources={"blut_handles": HANDLES},
    # a process per step, so that inputs come from the event log and not from memory
    executor=dg.multiprocess_executor,
)
