"""A payload that does what its config says: floods events or dies."""

import os
import sys
from pathlib import Path

from blut_resources.payload import payload_session


def main() -> None:
    with payload_session() as session:
        config = session.config
        for number in range(config.get("epochs", 0)):
            session.epoch(number, loss=1.0 / (number + 1))
        for number in range(config.get("messages", 0)):
            session.step(number, **{"x" * config["size"]: 1.0})
        if config.get("torn"):
            with Path(_messages_path()).open("a") as messages:
                messages.write('{"half": ')
            os._exit(0)
        if config.get("exit"):
            sys.stderr.write("the reason is on standard error\n")
            sys.exit(config["exit"])
        if config.get("signal"):
            os.kill(os.getpid(), config["signal"])
        if not config.get("silent"):
            session.done(epochs=config.get("epochs", 0))


def _messages_path() -> str:
    import base64
    import json
    import zlib

    return json.loads(zlib.decompress(base64.b64decode(os.environ["DAGSTER_PIPES_MESSAGES"])))["path"]


if __name__ == "__main__":
    main()
