"""Writes the sides of a split as the arg ``manifest`` reads them."""

import json
from pathlib import Path

from cookbooks.lamquant.gate.split import read_split

SCHEMA = "blut.split_sides.v1"


def exported(artifact: Path) -> bytes:
    """Returns the file: the side of each subject; whoever is left out is not listed.

    Raises:
        SplitInvalid: ``split.json`` is malformed.
    """
    split = read_split(artifact)
    value = {"schema": SCHEMA, "subjects": dict(sorted(split.subjects.items()))}
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
