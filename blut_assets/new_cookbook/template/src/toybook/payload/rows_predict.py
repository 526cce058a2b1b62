"""Answers the sealed rows with the stored bytes of a classifier.

Inputs: ``candidate``, ``rows`` (numbers without labels). Writes ``answers.json``, a label for each row.
"""

import json

from blut_resources.files.durable import write_atomic
from blut_resources.payload_kit.session import payload_session

from toybook.model import ModelInvalid, read_model
from toybook.rows import read_rows


def main() -> None:
    """Answer the rows of one session."""
    with payload_session() as session:
        try:
            model = read_model(session.inputs["candidate"])
        except ModelInvalid as error:
            raise SystemExit(f"candidate: {error}") from error
        answers = [model.predict(row.numbers) for row in read_rows(session.inputs["rows"])]
        write_atomic(session.out / "answers.json", json.dumps(answers).encode())
        session.done(n_answers=len(answers))


if __name__ == "__main__":
    main()
