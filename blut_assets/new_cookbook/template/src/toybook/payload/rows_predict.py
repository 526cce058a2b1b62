"""Answers the sealed rows with the stored bytes of a classifier.

Writes ``answers.json``, a label for each row.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from blut_resources.files.durable import write_atomic
from blut_resources.payload_kit.config import read_inputs
from blut_resources.payload_kit.session import payload_session

from toybook.model import read_model
from toybook.rows import read_rows


@dataclass(frozen=True)
class Inputs:
    """Names the inputs: a classifier, and numbers without labels."""

    candidate: Path
    rows: Path


def main() -> None:
    """Answer the rows of one session."""
    with payload_session() as session:
        inputs = read_inputs(session, Inputs)
        model = read_model(inputs.candidate)
        answers = [model.predict(row.numbers) for row in read_rows(inputs.rows)]
        write_atomic(session.out / "answers.json", json.dumps(answers).encode())
        session.done(n_answers=len(answers))


if __name__ == "__main__":
    main()
