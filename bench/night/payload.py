"""Trains nothing: it waits for each epoch, keeps a state that it goes on from, and an account of its own.

The account is a file that Blut knows nothing of, each line on the disk before the next thing is done. By it
the night knows what was reported.
"""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.session import payload_session

BALLAST = "x" * 100_000
"""So that a state needs room of its own on a disk."""


def main() -> None:
    """Run the epochs that are left."""
    with payload_session() as session:
        config = session.config
        account = Path(os.environ["NIGHT_ACCOUNTS"], config["name"])
        state, epoch = session.work / "state.json", 0
        if state.exists():
            epoch = json.loads(state.read_text())["epoch"]
        note(account, "start", epoch)
        while epoch < config["epochs"]:
            time.sleep(config["epoch_s"])
            ask_server(epoch)
            epoch += 1
            note(account, "tells", epoch)
            session.epoch(epoch, loss=1 / epoch)
            note(account, "told", epoch)
            keep(state, {"epoch": epoch, "ballast": BALLAST})
            session.checkpoint(epoch, state)
            note(account, "kept", epoch)
            hold(account, epoch)
        (session.out / "model.txt").write_text(f"{config['name']} {epoch}\n")
        note(account, "end", epoch)
        session.done(epochs=epoch)


def hold(account: Path, epoch: int) -> None:
    """Wait at the epoch that the night has named until it has done its deed, however busy the machine is."""
    while os.environ.get("NIGHT_HOLD") == str(epoch) and not account.with_suffix(".go").exists():
        time.sleep(0.02)


def ask_server(epoch: int) -> None:
    """In the second half of it, where a server is named, nothing goes without it."""
    port = os.environ.get("NIGHT_SERVER")
    if port and epoch >= 4:
        socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()


def note(account: Path, what: str, epoch: int) -> None:
    """Write a line; it is on the disk when this returns."""
    line = f"{what} {epoch} {time.monotonic():.3f} {os.getpid()}\n"
    file = os.open(account, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(file, line.encode())
    os.fsync(file)
    os.close(file)


def keep(path: Path, state: dict[str, Any]) -> None:
    """Replace the state, as anybody writes it who has thought of a kill."""
    beside = path.with_suffix(".new")
    with beside.open("w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


if __name__ == "__main__":
    main()
