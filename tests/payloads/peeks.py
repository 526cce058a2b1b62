"""Writes down all that it finds of its user's settings and can read of ``config["hidden"]``."""

import json
import os
import sys
from pathlib import Path

from blut_resources.payload_kit.session import payload_session


def seen(path: str) -> str:
    """What a path says, or why it says nothing."""
    try:
        return Path(path).read_text()
    except OSError as error:
        return type(error).__name__


def main() -> None:
    """Peek, and report."""
    with payload_session() as session:
        found = {
            "variables": dict(os.environ),
            "modules": sorted(sys.modules.keys() & {"sitecustomize", "usercustomize", "site", "numpy"}),
            "path": sys.path,
            "hidden": {path: seen(path) for path in session.config["hidden"]},
            "inputs": {name: seen(str(path)) for name, path in session.inputs.items()},
            "work": os.listdir(session.work),  # noqa: PTH208
        }
        (session.out / "found.json").write_text(json.dumps(found))
        session.done()


if __name__ == "__main__":
    main()
