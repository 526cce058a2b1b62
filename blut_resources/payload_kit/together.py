"""Starts the ranks of one payload and looks after them: ``python -P -u together.py COUNT START CODE MODULE``.

START is run with CODE and MODULE as a payload that is alone would be, once for each rank.

It is what ``torchrun --standalone`` does, by the same agent of PyTorch's, and in three things otherwise. It
listens on the loopback device only. It starts nothing again: whether a payload is worth another attempt is
not its to say. And when one rank ends badly all end at once, and the last words are of the one that was first
to fail, not of those that only missed it.

Rank 0 prints where the payload prints. What the others print is kept, for the case that they fail.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import PrefixStore, TCPStore  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
from torch.distributed.elastic.rendezvous import RendezvousHandler, RendezvousInfo, RendezvousStoreInfo

ENDED = "BLUT_RANKS_ENDED"
"""The directory in which a rank notes when it failed, and whether it only missed another one."""
HOST, DEVICE = "127.0.0.1", "lo"
LOOK_S = 0.1
LAST_S = 2.0
"""Seconds in which the others may end by themselves after the first has: their notes say who was first."""
SHOWN = 8000
"""Bytes of what a failed rank said that are repeated."""


class Loopback(RendezvousHandler):
    """Lets one agent and its ranks meet on a free port of the loopback device."""

    def __init__(self) -> None:
        listening = socket.create_server((HOST, 0))
        self._port = listening.getsockname()[1]
        self._store = TCPStore(
            HOST,
            self._port,
            is_master=True,
            timeout=timedelta(minutes=5),
            wait_for_workers=False,
            master_listen_fd=listening.detach(),
        )

    @property
    def use_agent_store(self) -> bool:
        return True

    def get_backend(self) -> str:
        return "loopback"

    def next_rendezvous(self) -> RendezvousInfo:
        met = RendezvousStoreInfo(HOST, self._port)
        return RendezvousInfo(PrefixStore(self.get_run_id(), self._store), 0, 1, met)

    def is_closed(self) -> bool:
        return False

    def set_closed(self) -> None: ...

    def num_nodes_waiting(self) -> int:
        return 0

    def get_run_id(self) -> str:
        return "blut"

    def shutdown(self) -> bool:
        return True


class Agent(LocalElasticAgent):
    """Looks after ranks as PyTorch's does, and keeps how the first ones ended before it ends the others."""

    statuses: dict[int, int] | None = None

    def _monitor_workers(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, worker_group: WorkerGroup
    ) -> RunResult:
        running = self._processes()
        if self.statuses is None and any(process.poll() for process in running.values()):
            until = time.monotonic() + LAST_S
            while time.monotonic() < until and any(p.poll() is None for p in running.values()):
                time.sleep(LOOK_S / 5)
            self.statuses = {rank: status for rank, p in running.items() if (status := p.poll())}
            for process in running.values():
                with contextlib.suppress(ProcessLookupError):
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)
        return super()._monitor_workers(worker_group)  # pyright: ignore[reportCallIssue]

    def said(self, rank: int) -> str:
        """Returns what a rank has printed last, where that is kept."""
        kept = Path(self._pcontext.stderrs[rank]) if self._pcontext else Path()
        return kept.read_bytes()[-SHOWN:].decode(errors="replace").strip() if kept.is_file() else ""

    def _processes(self) -> dict[int, Any]:
        handlers = getattr(self._pcontext, "subprocess_handlers", {})
        return {rank: handler.proc for rank, handler in handlers.items()}

    def _record_worker_events(self, result: RunResult) -> None:
        """Tell nobody: it would ask a name server what this machine is called."""


def run(count: int, start: str, code: str, module: str) -> int:
    """Run all ranks to their end; returns the exit status."""
    place = Path(code).parent / "ranks"
    place.mkdir(exist_ok=True)
    os.environ |= {"GLOO_SOCKET_IFNAME": DEVICE, "NCCL_SOCKET_IFNAME": DEVICE, ENDED: str(place)}
    spec = WorkerSpec(
        role="rank",
        local_world_size=count,
        entrypoint=sys.executable,
        args=("-P", "-u", start, code, module),
        rdzv_handler=Loopback(),
        max_restarts=0,
        monitor_interval=LOOK_S,
    )
    kept = DefaultLogsSpecs(str(place), redirects=dict.fromkeys(range(1, count), Std.ALL))
    # whoever has sent a signal knows how long it waits, and ends all of the tree then
    agent = Agent(spec, kept, shutdown_timeout=86_400)
    logging.disable(logging.ERROR)
    try:
        agent.run()
    except SignalException:
        return 1
    if not agent.statuses:
        return 0
    rank = first_to_fail(agent.statuses, place)
    status = agent.statuses[rank]
    if status < 0:
        words = f"{agent.said(rank)}\n{_name(rank, count)} was ended by {_signal(-status)}".lstrip()
    else:
        words = f"{_name(rank, count)} failed:\n{agent.said(rank)}" if rank else ""
    print(words, end="\n" if words else "", file=sys.stderr)
    return status if status > 0 else 1


def first_to_fail(statuses: dict[int, int], place: Path) -> int:
    """Returns the rank whose failure was not another one's, the first of several."""

    def order(rank: int) -> tuple[bool, float]:
        try:
            note = json.loads((place / f"{rank}.json").read_bytes())
            return note["missed"], note["at"]
        except (OSError, ValueError, KeyError):
            return False, time.time()  # it was killed, or left without a word

    return min(statuses, key=order)


def _name(rank: int, count: int) -> str:
    return f"rank {rank} of {count} (from 0)"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), *sys.argv[2:5]))
