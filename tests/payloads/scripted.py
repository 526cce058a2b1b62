"""A payload that does what its config says: floods events or dies."""

import os
import sys
import time
from pathlib import Path

from blut_resources.payload_kit.session import payload_session


def main() -> None:
    with payload_session() as session:
        config = session.config
        for number in range(config.get("epochs", 0)):
            session.epoch(number, loss=1.0 / (number + 1))
        for number in range(config.get("messages", 0)):
            session.step(number, **{f"{name:0200d}": 1.0 for name in range(config["size"] // 200)})
        if config.get("lines"):
            _say([line.encode("latin-1") for line in config["lines"]])
        if config.get("prints"):
            _print(config["prints"].encode("latin-1"), config.get("times", 1))
        if config.get("sleeps"):
            time.sleep(config["sleeps"])
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


def _say(lines: list[bytes]) -> None:
    """Lines for the other side of the pipes as they stand."""
    with Path(_messages_path()).open("ab") as messages:
        messages.write(b"".join(line + b"\n" for line in lines))


def _print(block: bytes, times: int) -> None:
    for _ in range(times):
        sys.stdout.buffer.write(block)
    sys.stdout.flush()


def _messages_path() -> str:
    import base64
    import json
    import zlib

    return json.loads(zlib.decompress(base64.b64decode(os.environ["DAGSTER_PIPES_MESSAGES"])))["path"]


if __name__ == "__main__":
    main()
