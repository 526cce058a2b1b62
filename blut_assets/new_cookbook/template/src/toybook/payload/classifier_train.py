"""Learns epoch by epoch, with a checkpoint after each: split -> classifier.

Writes ``model.json``.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from blut_resources.files.durable import write_atomic
from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.session import PayloadSession, payload_session

from toybook.model import MODEL_FILE, Model, ModelInvalid
from toybook.rows import Row, read_rows

STATE_FILE = "state.json"


@dataclass(frozen=True)
class Settings:
    """Holds what `ClassifierConfig` says."""

    epochs: Annotated[int, Bounds(1)]
    learning_rate: Annotated[float, Bounds(above=0)]
    seed: int


@dataclass(frozen=True)
class Inputs:
    """Holds the inputs: files of the split, and none of its sealed rows."""

    split: Path
    train: Path
    validation: Path


@dataclass
class State:
    """Holds a training between two epochs."""

    epoch: int
    model: Model
    loss: float
    best_epoch: int
    best_accuracy: float
    best: dict[str, Any]

    @classmethod
    def fresh(cls, model: Model) -> "State":
        """Returns the state before the first epoch."""
        return cls(0, model, 0.0, 0, -1.0, model.as_json())

    @classmethod
    def read(cls, path: Path) -> "State":
        """Returns the state that `as_json` described.

        Raises:
            ValueError, KeyError, TypeError: the file does not hold one.
        """
        found = json.loads(path.read_bytes())
        return cls(**{**found, "model": Model.from_json(found["model"], path.name)})

    def as_json(self) -> bytes:
        """Returns the state as JSON."""
        return json.dumps({**vars(self), "model": self.model.as_json()}).encode()

    def finish_epoch(self, rows: list[Row], validation: list[Row], settings: Settings) -> None:
        """Learn the rows once more, and keep the weights if they are the best so far."""
        rate = settings.learning_rate * 0.1 ** (self.epoch / settings.epochs)
        self.loss = self.model.learn(rows, rate, f"{settings.seed}:{self.epoch}")
        self.epoch += 1
        accuracy = self.model.accuracy(validation)
        if accuracy > self.best_accuracy:
            self.best_epoch, self.best_accuracy = self.epoch, accuracy
            self.best = json.loads(json.dumps(self.model.as_json()))


def resumed(session: PayloadSession, fresh: Model) -> State:
    """Returns the state that an attempt before this one left, or the one to begin with.

    The work directory belongs to this fingerprint: its state is of the same rows and settings.
    """
    path = session.work / STATE_FILE
    if not path.exists():
        return State.fresh(fresh)
    try:
        return State.read(path)
    except (ValueError, KeyError, TypeError, ModelInvalid) as error:
        say(f"{path.name} cannot be read ({error}): the training begins anew")
        return State.fresh(fresh)


def train(session: PayloadSession, ending: Ending) -> State:
    """Run the epochs that are left; asked to end, it finishes the checkpoint that it is at."""
    settings, inputs = read_config(session, Settings), read_inputs(session, Inputs)
    rows, validation = list(read_rows(inputs.train)), list(read_rows(inputs.validation))
    classes = json.loads(inputs.split.read_bytes())["classes"]
    state = resumed(session, Model.untrained(classes, rows))
    while state.epoch < settings.epochs:
        state.finish_epoch(rows, validation, settings)
        path = session.work / STATE_FILE
        with ending.finishing():
            write_atomic(path, state.as_json())
            session.checkpoint(state.epoch, path)
        session.epoch(state.epoch, loss=state.loss, validation_accuracy=state.model.accuracy(validation))
    return state


def main() -> None:
    """Train the classifier of one session."""
    with payload_session() as session, Ending().heard() as ending:
        state = train(session, ending)
        write_atomic(session.out / MODEL_FILE, json.dumps(state.best, sort_keys=True, indent=1).encode())
        session.done(
            epochs=state.epoch,
            best_epoch=state.best_epoch,
            loss=state.loss,
            validation_accuracy=state.best_accuracy,
        )


if __name__ == "__main__":
    main()
