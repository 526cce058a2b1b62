"""One training of the night: it is started, watched and hurt, and it is known what it did."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.night.world import PATIENCE_S, World, children, frozen, until

TOY, CODEC = "toy", "codec"
STATE = re.compile(r"epoch-(\d+)$")


@dataclass(frozen=True)
class Case:
    """A training, what is done to it, and what is right to be said of it in the morning.

    Attributes:
        hurt: what is done, when epoch ``at`` is finished.
        state: of the run, as `blut jobs` says it.
        why: a pattern of what it says beside, any case.
        status: of the command.
        or_fails: a pattern of why it may also fail: it depends on what just does not fit any more.
        starts: of its payload, one more with each retry.
        detached: from the terminal; somebody follows it, and once more when that terminal is closed.
        torn: its newest state is cut in half before it goes on.
        later: args that are other ones in the morning.
        how: args or config of the training, besides.
        more: variables of its shell, besides; of the world.
    """

    name: str
    kind: str
    home: str
    state: str
    why: str
    hurt: "Callable[[Training], None] | None" = None
    status: int = 0
    or_fails: str = ""
    starts: int = 1
    detached: bool = False
    torn: bool = False
    later: dict[str, object] = field(default_factory=dict)
    how: dict[str, object] = field(default_factory=dict)
    more: Callable[[World], dict[str, str]] = lambda _: {}


@dataclass
class Training:
    """What happens to a case in one night."""

    case: Case
    world: World
    seed: int
    at: int
    epochs: int
    delay_s: float
    shell: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    wall_s: float = 0.0
    seen: set[int] = field(default_factory=set)
    works: set[Path] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def command(self, **later: object) -> list[str]:
        """What is typed; the same in the evening and in the morning, but for what is otherwise later."""
        if self.case.kind == TOY:
            args = {"name": self.case.name, "epochs": self.epochs, **self.case.how, **later}
            return ["recipe", "run", "night", "--args", json.dumps(args)]
        config = {"preset": "smoke", "seed": self.seed, "epochs": self.epochs, **self.case.how}
        return ["stage", "run", "lamquant/joint_checkpoint", "--config", json.dumps(config)]

    def run(self) -> None:
        """Start it, hurt it, wait for its end."""
        self.shell, begun = self.case.more(self.world), time.monotonic()
        if self.case.hurt:
            self.shell["NIGHT_HOLD"] = str(self.at)
        self.process = self._detached() if self.case.detached else self._start(self.command())
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        if self.case.hurt and until(lambda: self.reached(self.at) or self.process.poll() is not None):
            time.sleep(self.delay_s)
            self.case.hurt(self)
            self.go()
        if self.case.detached:
            self.process.wait()
            self._follow()
        with suppress(subprocess.TimeoutExpired):
            self.status = self.process.wait(PATIENCE_S)
        self.wall_s = time.monotonic() - begun
        self.over.set()
        watch.join()

    def go(self) -> None:
        """Let the training go on that waits at its epoch."""
        (self.world.accounts / f"{self.case.name}.go").touch()

    def run_id(self) -> str:
        """The newest run of the training, by what was asked for."""
        return next(iter(self.runs()), "")

    def runs(self) -> list[str]:
        """Its runs, the newest first."""
        name, mark = ("seed", self.seed) if self.case.kind == CODEC else ("name", self.case.name)
        found = []
        for path in (self.world.home(self.case.home) / "runs").glob("*/manifest.json"):
            text = path.read_text()
            if f'"{name}": {json.dumps(mark)}' in text:
                known = json.loads(text)  # by a clock that nobody sets
                found.append((known.get("started_uptime", 0.0), known["run_id"]))
        return [run for _, run in sorted(found, reverse=True)]

    def _start(self, words: list[str]) -> "subprocess.Popen[bytes]":
        return self.world.start(words, self.case.home, self.case.name, **self.shell)

    def _detached(self) -> "subprocess.Popen[bytes]":
        """Let it run by itself; what is returned follows it."""
        status, out, err = self.world.blut([*self.command(), "--detach"], self.case.home, **self.shell)
        if status:
            raise RuntimeError(f"--detach: status {status}\n{out}{err}")
        until(self.run_id)
        return self._follow()

    def _follow(self) -> "subprocess.Popen[bytes]":
        self.process = self._start(["log", "--follow", self.run_id()])
        return self.process

    def reached(self, epoch: int) -> bool:
        """Whether the training has kept the state of that epoch."""
        return any(known >= epoch for known in self.kept())

    def kept(self) -> set[int]:
        """Epochs of which a state is, or was, on the disk."""
        return self._noted("kept") if self.case.kind == TOY else set(self.seen)

    def told(self) -> set[int]:
        """Epochs that the payload has reported for certain."""
        return self._noted("told") if self.case.kind == TOY else set(self.seen)

    def begun_to_tell(self) -> set[int]:
        """Epochs that it may have reported; of a codec one more than is known."""
        return self._noted("tells") if self.case.kind == TOY else {*self.seen, max(self.seen, default=0) + 1}

    def moments(self) -> dict[int, float]:
        """When it told each epoch, by a clock that nobody sets."""
        return {int(words[1]): float(words[2]) for words in self._account() if words[0] == "told"}

    def starts(self) -> list[int]:
        """From which epoch each of its attempts went on."""
        return [int(words[1]) for words in self._account() if words[0] == "start"]

    def payloads(self) -> list[int]:
        """Processes of the training itself."""
        return [pid for pid in children(self.process.pid) if frozen(pid)]

    def signal(self, number: int) -> None:
        """Send the run's process a signal, and whatever its terminal would send it to."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill_payload(self) -> None:
        """As whoever is short of memory would do it."""
        for pid in self.payloads():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _watch(self) -> None:
        """A codec keeps no account; its states are seen as they come."""
        while not self.over.wait(0.02 if self.case.kind == CODEC else 1):
            for pid in self.payloads() if self.case.kind == CODEC and not self.works else ():
                if told := frozen(pid):
                    self.works.add(Path(told["work"]))
            for work in self.works:
                with suppress(OSError):
                    names = [STATE.match(path.name) for path in work.iterdir()]
                    self.seen |= {int(name[1]) for name in names if name}

    def tear(self) -> set[int]:
        """Cut the newest state in half; the epochs that can be gone on from."""
        newest = max(self.seen)
        for work in self.works:
            for path in work.glob(f"epoch-{newest:06d}/*.safetensors"):
                os.truncate(path, path.stat().st_size // 2)
        return self.seen - {newest}

    def _noted(self, what: str) -> set[int]:
        return {int(words[1]) for words in self._account() if words[0] == what}

    def _account(self) -> Sequence[list[str]]:
        path = self.world.accounts / self.case.name
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []
