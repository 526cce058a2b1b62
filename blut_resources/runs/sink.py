"""Tells an experiment tracker of runs, as a process of its own: whatever that does, no training waits for it.

``live SECONDS ORDER`` follows the stream of events of a run at work, until the word comes on standard input
that it has ended, or nobody is there to say it. ``again SECONDS ORDER...`` tells runs that have ended, each
into an offline run of its own. It inherits the locks of the orders. What became of each is a line of JSON on
standard output.

It ends for certain: so many seconds after the end of a run it is given up, and what it has started is killed.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from blut_resources.files.durable import StoreError, remove_tree
from blut_resources.files.full import full_place
from blut_resources.machine.flag import Flag
from blut_resources.machine.processes import descendants
from blut_resources.runs import order as orders
from blut_resources.runs import status
from blut_resources.runs.curve import RESUMED, EpochCurve, Row
from blut_resources.runs.files import STATUS
from blut_resources.runs.metrics import RESUMED_FROM
from blut_resources.runs.order import TrackedRun
from blut_resources.runs.wandb_run import WandbTracker, epochs_in, offline_runs
from blut_resources.text import one_line

POLL_S, FLUSH_S = 0.2, 5.0
ROOM = 4 << 20
"""Bytes that a tracker's files and logs take at least."""
OFFLINE = "offline"
TEMPORARY = "blut-tracker-"
"""Begins the name of a temporary directory of its own: what is killed, or ends at once, leaves its files."""
Say = Callable[..., None]


class Telling:
    """Tells one order, as far as the stream of its run goes."""

    def __init__(self, order: TrackedRun, directory: Path, mode: str) -> None:
        self._order, self._directory, self._mode = order, directory, mode
        self._stream, self._after = order.directory / STATUS, 0
        self._curve, self._resumed = EpochCurve(), dict[str, Any]()
        self.told, self.ok = 0, False
        self._tracker: WandbTracker | None = None

    def go_on(self, *, over: bool) -> bool:
        """Tell what is new; says whether there is a run of the tracker by now.

        Until an attempt has reported its first epoch, nobody knows which of the earlier ones it does again.
        """
        for event in status.read(self._stream, self._after):
            self._after = event["offset"]
            if event.get("asset") == self._order.asset:
                self._curve.take(event)
                self.ok = event["kind"] == "asset_finished" or (self.ok and event["kind"] != "asset_started")
                if event["kind"] == RESUMED:
                    self._resumed = {"run": event["run"], "epoch": event["epoch"]}
        for row in self._curve.rows[self.told :] if over or not self._curve.open else ():
            self._opened().log(_flat(row))
            self.told += 1
        return self._tracker is not None

    def finish(self, ok: bool) -> None:
        """End it."""
        if self._tracker:
            self._tracker.finish(ok)

    def _opened(self) -> WandbTracker:
        if self._tracker is None:
            config = {**self._order.config, **({RESUMED_FROM: self._resumed} if self._resumed else {})}
            self._tracker = WandbTracker(self._order, config, self._directory, self._mode)
        return self._tracker


def _flat(row: Row) -> dict[str, Any]:
    index = {name: row[name] for name in row if name not in ("metrics", "run")}
    return {**row["metrics"], **index}


def follow(order: TrackedRun, say: Say, over: Flag, words: list[str]) -> None:
    """Tell of a run at work until it is over; the order stays where nobody said how it ended."""
    telling, ready = Telling(order, order.directory, order.mode), False
    before = offline_runs(order.directory, order)
    while True:
        last = over.is_set()
        if telling.go_on(over=last) and not ready:
            ready = True
            say(ready=True)
        if last:
            break
        over.wait(POLL_S)
    telling.finish(ok=words == ["ok"])
    where = _proved(order, order.directory, telling.told) if order.mode == OFFLINE else ""
    for old in before:  # of an attempt that this one has gone on from
        remove_tree(old)
    if words:
        orders.drop(order)
        say(told=telling.told, where=where)
    else:
        say(broken="its run died")


def tell_whole(order: TrackedRun, say: Say) -> None:
    """Tell of a run that has ended, into an offline run that takes the place of those that there are."""
    with tempfile.TemporaryDirectory(dir=order.directory, prefix=".wandb-") as anew:
        telling = Telling(order, Path(anew), OFFLINE)
        telling.go_on(over=True)
        telling.finish(ok=telling.ok)
        _proved(order, Path(anew), telling.told)
        where = ""
        old = offline_runs(order.directory, order)
        for whole in offline_runs(Path(anew), order):
            for path in old:
                remove_tree(path)
            place = order.directory / "wandb" / whole.name
            place.parent.mkdir(exist_ok=True)
            where = str(whole.rename(place))
    orders.drop(order)
    say(told=telling.told, where=where)


def _proved(order: TrackedRun, directory: Path, rows: int) -> str:
    """Returns the offline run, read back: a full disk ends no call of the tracker's.

    Its service writes the end of the file a moment later than it says so.
    """
    if not rows:
        return ""
    deadline, there = time.monotonic() + FLUSH_S, 0
    while time.monotonic() < deadline:
        for found in offline_runs(directory, order)[-1:]:
            with contextlib.suppress(ValueError):
                if (there := epochs_in(found)) == rows:
                    return str(found)
        time.sleep(POLL_S)
    raise OSError(f"its offline run has {there} of {rows} epochs")


def _is_short_of_room(place: Path) -> bool:
    there = os.statvfs(place)
    return there.f_bavail * there.f_frsize < ROOM


def _listen(words: list[str], over: Flag) -> None:
    """Wait for the word, or for the end of whoever would say it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent and not over.wait(1.0):
            pass
        over.set()

    threading.Thread(target=watch, daemon=True).start()
    words += os.read(0, 100).decode().split()
    over.set()


def _give_up(order: TrackedRun, say: Say, seconds: float, over: Flag, done: Flag) -> None:
    """End this process when its time is over, and all that it has started."""
    over.wait()
    if done.wait(seconds):
        return
    say(broken=f"it did not answer within {seconds:.0f} s")
    _end()


def _end() -> None:
    """End here: what the tracker has started, and does at the exit of a process, may take for ever."""
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    own = Path(tempfile.gettempdir())
    if own.name.startswith(TEMPORARY):
        with contextlib.suppress(OSError):
            remove_tree(own)
    os._exit(0)


def main() -> None:
    """Run one of the two; see above."""
    what, seconds, paths = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    with contextlib.suppress(OSError):  # it may be full
        tempfile.tempdir = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix=TEMPORARY)
    out = os.fdopen(os.dup(1), "w")
    for path in paths:
        if order := orders.read(Path(path)):
            _tell(order, what, seconds, out)
    _end()


def _tell(order: TrackedRun, what: str, seconds: float, out: Any) -> None:
    def say(**said: Any) -> None:
        with contextlib.suppress(OSError):  # nobody may listen any more
            print(json.dumps({"run": order.run_id, "asset": order.asset, **said}), file=out, flush=True)

    over, done, words = Flag(), Flag(), list[str]()
    watch = (order, say, seconds, over, done)
    threading.Thread(target=_give_up, args=watch, daemon=True).start()
    try:
        with _printing_to(order.log):
            if what == "live":
                threading.Thread(target=_listen, args=(words, over), daemon=True).start()
                follow(order, say, over, words)
            else:
                over.set()
                order.failed().keep()  # told, it goes
                tell_whole(order, say)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        if _is_short_of_room(order.directory):
            why = f"{full_place(order.directory)} ({error})"
            with contextlib.suppress(OSError, StoreError):
                order.keep()  # with room again it is not the same try
        say(broken=one_line(why, 300))
    finally:
        done.set()


@contextlib.contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Have what the tracker and its processes print in a file, which goes if there is nothing in it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        for number in (1, 2):
            os.dup2(descriptor, number)
        yield
        sys.stderr.flush()
        if not os.fstat(descriptor).st_size:
            log.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
