"""Learns epoch by epoch, with a checkpoint after each: split -> classifier.

Inputs: ``split.json``, ``train.jsonl``, ``validation.jsonl``. Writes ``model.json``.
"""

import json
import signal
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.files.durable import write_atomic
from blut_resources.payload_kit.session import PayloadSession, payload_session

from toybook.model import MODEL_FILE, Model, ModelInvalid
from toybook.rows import Row, read_rows

STATE_FILE = "state.json"


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

    def finish_epoch(self, rows: list[Row], validation: list[Row], config: dict[str, Any]) -> None:
        """Learn the rows once more, and keep the weights if they are the best so far."""
        rate = config["learning_rate"] * 0.1 ** (self.epoch / config["epochs"])
        self.loss = self.model.learn(rows, rate, f"{config['seed']}:{self.epoch}")
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
        print(f"{path.name} cannot be read ({error}): the training begins anew", flush=True)
        return State.fresh(fresh)


def train(session: PayloadSession) -> State:
    """Run the epochs that are left."""
    inputs, config = session.inputs, session.config
    rows, validation = (list(read_rows(inputs[f"{name}.jsonl"])) for name in ("train", "validation"))
    classes = json.loads(inputs["split.json"].read_bytes())["classes"]
    state = resumed(session, Model.untrained(classes, rows))
    while state.epoch < config["epochs"]:
        state.finish_epoch(rows, validation, config)
        path = session.work / STATE_FILE
        write_atomic(path, state.as_json())
        session.checkpoint(state.epoch, path)
        session.epoch(state.epoch, loss=state.loss, validation_accuracy=state.model.accuracy(validation))
    return state


def _stop(_number: int, _frame: types.FrameType | None) -> None:
    raise SystemExit("terminated; the same command resumes from the last finished epoch")


def main() -> None:
    """Train the classifier of one session."""
    with payload_session() as session:
        signal.signal(signal.SIGTERM, _stop)
        state = train(session)
        write_atomic(session.out / MODEL_FILE, json.dumps(state.best, sort_keys=True, indent=1).encode())
        session.done(
            epochs=state.epoch,
            best_epoch=state.best_epoch,
            loss=state.loss,
            validation_accuracy=state.best_accuracy,
        )


if __name__ == "__main__":
    main()
