"""One stage of `tests.full_chain`: writes to every place that payloads write to, and waits at a gate.

The file is ``$FILLS``, JSON: ``log``, and ``stage`` with a ``reached`` and a ``gate`` where one is to wait
until its test has filled a place. The result depends on nothing but the input and the number of epochs.
"""

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from blut_resources.files.durable import write_atomic
from blut_resources.payload_kit.cache import cache_root
from blut_resources.payload_kit.session import PayloadSession, payload_session

PIECE = 24 << 10
CHECKPOINT = "checkpoint.json"


def main() -> None:
    how = json.loads(Path(os.environ["FILLS"]).read_text())
    with payload_session() as session:
        stage = session.config["stage"]
        note(how, f"start {stage}")
        taken = b"".join(p.read_bytes() for where in session.inputs.values() for p in sorted(where.iterdir()))
        if epochs := session.config.get("epochs"):
            state = train(how, session, epochs, hashlib.sha256(taken).hexdigest())
        else:
            wait(how, stage)
            state = hashlib.sha256(taken + stage.encode()).hexdigest()
        write_everywhere(session, how)
        (session.out / "data").write_text(state * (PIECE // 64))
        session.done()


def train(how: dict[str, Any], session: PayloadSession, epochs: int, state: str) -> str:
    kept, first = session.work / CHECKPOINT, 0
    if kept.exists():
        found = json.loads(kept.read_text())
        first, state = found["epoch"], found["state"]
    note(how, f"from {first}")
    for epoch in range(first + 1, epochs + 1):
        if epoch == 3:
            wait(how, session.config["stage"])
        state = hashlib.sha256(state.encode()).hexdigest()
        write_atomic(kept, json.dumps({"epoch": epoch, "state": state, "pad": "x" * PIECE}).encode())
        session.checkpoint(epoch, kept)
        session.epoch(epoch, loss=1.0 / epoch)
        note(how, f"epoch {epoch}")
    return state


def write_everywhere(session: PayloadSession, how: dict[str, Any]) -> None:
    """Write where payloads of real cookbooks do; what is not the result goes again."""
    with tempfile.TemporaryFile(dir=os.environ.get("TMPDIR")) as file:
        file.write(b"x" * PIECE)
        file.flush()
    for place in (cache_root(), Path(how["cwd"]), session.work, Path(how.get("shm", session.work))):
        write_atomic(place / f"{session.config['stage']}.tmp", b"x" * PIECE)
        (place / f"{session.config['stage']}.tmp").unlink()


def wait(how: dict[str, Any], stage: str) -> None:
    if how.get("stage") == stage and not Path(how["gate"]).exists():
        Path(how["reached"]).touch()
        while not Path(how["gate"]).exists():
            time.sleep(0.01)


def note(how: dict[str, Any], what: str) -> None:
    with Path(how["log"]).open("a") as log:
        log.write(f"{what}\n")


if __name__ == "__main__":
    main()
