"""A piece of work that notes when it began and ended and on which GPU, and ends as its config says."""

import json
import os
import signal
import time
from pathlib import Path

from blut_resources.payload_kit.session import payload_session


def main() -> None:
    with payload_session() as session:
        config = session.config
        place = Path(os.environ["SWEPT_LOG"])
        about = {"name": config["name"], "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "pid": os.getpid()}
        about |= {name: config.get(name) for name in ("lr", "seed", "width", "mood")}
        note(place, {"what": "start", **about})
        if config.get("mood") == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(config["seconds"])
        if config["name"] == "shared":
            (session.out / "corpus").write_text("a corpus")
            session.done()
            return
        if config["mood"] == "oom":
            held = bytearray(1 << 30)
            held[::4096] = b"x" * len(held[::4096])
        loss = (
            float("nan") if config["mood"] == "diverge" else config["lr"] * config["width"] + config["seed"]
        )
        session.epoch(1, loss=loss)
        (session.out / "model").write_text(json.dumps(about | {"pid": 0, "gpu": 0}))
        note(place, {"what": "end", **about})
        session.done(loss=loss, score=-1 if config["mood"] == "bad" else 1)


def note(place: Path, what: dict[str, object]) -> None:
    with place.open("a") as log:
        log.write(json.dumps({"t": time.monotonic(), **what}) + "\n")


if __name__ == "__main__":
    main()
