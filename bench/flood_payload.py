"""A payload that says or prints as much as its config asks for."""

import sys
import time

from blut_resources.payload_kit.session import payload_session

BLOCK = b"0123456789abcdef" * 63 + b"and a line end.\n"


def main() -> None:
    """Steps, epochs, bytes of output, and last a line of its messages that never ends."""
    with payload_session() as session:
        config, started = session.config, time.monotonic()
        for number in range(config.get("steps", 0)):
            session.step(number, loss=0.123456, lr=2e-4, grad_norm=1.5)
        for number in range(config.get("epochs", 0)):
            session.epoch(number, loss=1 / (number + 1), val_loss=1.5, lr=2e-4, accuracy=0.5)
        for _ in range(config.get("bytes", 0) // len(BLOCK)):
            sys.stdout.buffer.write(BLOCK)
        if config.get("line"):
            _one_line(config["line"])
        session.done(seconds=time.monotonic() - started)


def _one_line(size: int) -> None:
    import base64
    import json
    import os
    import zlib

    told = json.loads(zlib.decompress(base64.b64decode(os.environ["DAGSTER_PIPES_MESSAGES"])))
    with open(told["path"], "ab") as messages:  # noqa: PTH123
        for _ in range(size >> 20):
            messages.write(b"x" * (1 << 20))
        messages.write(b"\n")


if __name__ == "__main__":
    main()
