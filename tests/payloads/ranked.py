"""A payload that ranks run together: they add up their numbers, and one of them fails as its config says."""

import os
import signal
import time
from pathlib import Path

from blut_resources.payload_kit.ranks import joined
from blut_resources.payload_kit.session import payload_session


def main() -> None:
    with payload_session() as session:
        config = session.config
        with joined("cpu") as ranks:
            for epoch in range(1, config["epochs"] + 1):
                (loss,) = ranks.total(float(ranks.number + 1))
                session.epoch(epoch, loss=loss)
                (session.work / f"pid-{ranks.number}").write_text(str(os.getpid()))
                if ranks.first:
                    (session.work / f"epoch-{epoch:06d}").mkdir(exist_ok=True)
                if epoch == 2 and ranks.number == config["rank"]:
                    _end(config["how"])
        if ranks.first:
            (session.out / "said").write_text("by the first one")
            session.done(loss=loss)


def _end(how: str) -> None:
    if how == "raises":
        raise ValueError("the third example is bad")
    if how == "leaves":
        os._exit(3)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "grows":
        block = bytearray(600 << 20)
        block[:] = b"x" * len(block)
    if how.startswith("reads "):
        (Path(__file__).parents[1] / how.removeprefix("reads ")).read_text()
    if how == "sleeps":
        time.sleep(300)


if __name__ == "__main__":
    main()
