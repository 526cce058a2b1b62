"""A training whose loss is a formula of its args and epochs, so that a test knows which is the best.

Its curves cross: what is best in the end begins slowly. It resumes, and writes each epoch to ``$TRAINS``.
"""

import json
import math
import os
import time
from pathlib import Path

from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.session import payload_session
from blut_resources.store.artifacts import write_atomic


def loss_at(lr: float, epoch: int) -> float:
    """Lowest in the end at 0.1; a larger one falls faster at first."""
    final = 0.1 + abs(math.log10(lr) + 1)
    return final + 3 * math.exp(-epoch * (0.3 + 2 * lr))


def main() -> None:
    with payload_session() as session, Ending().heard() as ending:
        how = json.loads(Path(os.environ["TRAINS"]).read_text())
        lr, kept = session.config["lr"], session.work / "checkpoint.json"
        first = json.loads(kept.read_text())["epoch"] if kept.exists() else 0
        with Path(how["log"]).open("a") as log:
            log.write(f"start {lr!r} {first}\n")
        for epoch in range(first + 1, session.config["epochs"] + 1):
            time.sleep(how.get("epoch_s", 0.0))
            if how.get("exit_at") == lr:
                raise SystemExit(3)
            with ending.finishing():
                with Path(how["log"]).open("a") as log:
                    log.write(f"epoch {lr!r} {epoch}\n")
                write_atomic(kept, json.dumps({"epoch": epoch}).encode())
                session.checkpoint(epoch, kept)
                session.epoch(epoch, **{how.get("metric", "val_loss"): loss_at(lr, epoch)})
            while how.get("gate") and not Path(how["gate"]).exists():
                time.sleep(0.02)
        (session.out / "model").write_text(str(lr))
        session.done(final=loss_at(lr, session.config["epochs"]))


if __name__ == "__main__":
    main()
