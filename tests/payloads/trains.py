"""A training in miniature: it resumes from its checkpoint, and it misbehaves as a file tells it to.

The file is ``$TRAINS``, JSON, read anew by every attempt, so that the same command can go wrong once and well
the next time. The result depends on nothing but the input and the number of epochs.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic

DEAF = """
import os, signal, time
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(300)
"""
CHECKPOINT = "checkpoint.json"


def main() -> None:
    with payload_session() as session:
        how = behaviour()
        note(how, "start", session)
        if "show" in how:
            note(how, f"{how['show']}={os.environ.get(how['show'])}", session)
        if "says" in how:
            sys.stderr.buffer.write(how["says"].encode("utf-8", "surrogatepass") + b"\n")
        if "litter" in how:
            (session.out / f"half-{os.getpid()}").write_text("half a resu")
        prepare(how, session)
        epoch, state = resume(session)
        note(how, f"resumed-at-{epoch}", session)
        for number in range(epoch, session.config["epochs"]):
            state = train(state, how if number >= how.get("from", 0) else {})
            save(session, number + 1, state)
            session.epoch(number, **dict.fromkeys(("loss", how.get("metric", "loss")), 1.0 / (number + 1)))
            note(how, f"epoch-{number}", session)
            if how.get("gate_for", session.config["name"]) == session.config["name"]:
                wait_for(how.get("gate") if number == how.get("gate_at", 0) else None)
        misbehave(how, session.config["epochs"])
        if "big" in how:
            (session.out / "big").write_bytes(b"x" * how["big"])
        for half in session.out.glob(f"half-{os.getpid()}"):
            half.unlink()
        (session.out / "model").write_text(state)
        session.done(epochs=session.config["epochs"])
        note(how, "end", session)
        wait_for(how.get("gate_at_end"))


def behaviour() -> dict[str, Any]:
    path = Path(os.environ.get("TRAINS", "/nonexistent"))
    return json.loads(path.read_text()) if path.exists() else {}


def note(how: dict[str, Any], what: str, session: PayloadSession) -> None:
    """A line in the log of what happened, for the test to read."""
    if "log" in how:
        with Path(how["log"]).open("a", errors="backslashreplace") as log:
            said = session.config.get("word", "")
            log.write(f"{what} {session.config['name']} {time.monotonic():.3f} {said}\n")


def prepare(how: dict[str, Any], session: PayloadSession) -> None:
    def stop(*_: object) -> None:
        note(how, "stopped", session)
        time.sleep(how.get("last_words_s", 0))
        write_atomic(session.work / "last-words", b"written after SIGTERM")
        if "last_epoch" in how:
            session.epoch(how["last_epoch"], loss=0.125)
        note(how, "saved", session)
        sys.exit(143)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if how.get("deaf") else stop)
    pids = [os.getpid()]
    if how.get("grandchild"):
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", DEAF], stdout=subprocess.PIPE)
        assert child.stdout
        child.stdout.readline()
        pids.append(child.pid)
    if how.get("workers"):
        pids += load_forever(how["workers"])
    if "pids" in how:
        write_atomic(Path(how["pids"], session.config["name"]), " ".join(map(str, pids)).encode())


def load_forever(workers: int) -> list[int]:
    """Real DataLoader workers, at work."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Numbers(Dataset[Any]):
        def __len__(self) -> int:
            return 1_000_000

        def __getitem__(self, index: int) -> Any:
            return torch.full((1000,), float(index))

    # by name: a worker that is killed must not take the message about it with it
    kept = iter(DataLoader(Numbers(), batch_size=64, num_workers=workers))
    next(kept)
    globals()["_kept"] = kept
    return [worker.pid for worker in kept._workers]  # type: ignore[attr-defined]


def resume(session: PayloadSession) -> tuple[int, str]:
    path = session.work / CHECKPOINT
    if path.exists():
        found = json.loads(path.read_text())
        return found["epoch"], found["state"]
    text = b"".join(p.read_bytes() for where in session.inputs.values() for p in sorted(where.iterdir()))
    return 0, hashlib.sha256(text).hexdigest()


def train(state: str, how: dict[str, Any]) -> str:
    if "mib" in how:
        kept = [bytearray(4 << 20) for _ in range(how["mib"] // 4)]
        del kept
    time.sleep(how.get("epoch_s", 0))
    return hashlib.sha256(state.encode()).hexdigest()


def save(session: PayloadSession, epoch: int, state: str) -> None:
    path = session.work / CHECKPOINT
    write_atomic(path, json.dumps({"epoch": epoch, "state": state}).encode())
    session.checkpoint(epoch, path)


def wait_for(gate: str | None) -> None:
    while gate and not Path(gate).exists():
        time.sleep(0.02)


def misbehave(how: dict[str, Any], epochs: int) -> None:
    if how.get("hang"):
        time.sleep(300)
    if "exit" in how and epochs > how.get("exit_above", 0):
        sys.exit(how["exit"])


if __name__ == "__main__":
    main()
