"""Ends a run whose terminal or connection goes away as Ctrl-C does: with time for a checkpoint.

No interrupt is lost either. Python runs the handler of a signal between any two instructions, also in the
callback of a weak reference, of which an import makes hundreds, and forgets what is raised there.
"""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

AGAIN_S = 0.02
INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")


def is_interrupt(kind: type[BaseException]) -> bool:
    """Says whether an error is an interrupt, Dagster's or Python's own, without loading Dagster."""
    return kind.__name__ in INTERRUPTS


class _Heard:
    person = hung_up = False


def heeds_person() -> bool:
    """Says whether this process does what somebody has typed, so that its signals are that person's."""
    return _Heard.person


def is_hung_up() -> bool:
    """Says whether the terminal or the connection of this process has gone away."""
    return _Heard.hung_up


def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """Handle a signal as Ctrl-C is handled by default."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def end_on_hang_up() -> None:
    """Let SIGHUP do from now on what SIGINT does at that moment, unless it is ignored, as under ``nohup``."""
    keep_interrupts()
    _Heard.person = True
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _as_interrupt)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    """Call Dagster's own handler while it executes: it decides where an interrupt may be raised."""
    _Heard.hung_up = True
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else interrupt)(number, frame)


def keep_interrupts() -> None:
    """Deliver an interrupt again that was raised where Python cannot let it through. Idempotent."""
    earlier = sys.unraisablehook
    if getattr(earlier, "func", None) is not _deliver_again:
        sys.unraisablehook = functools.partial(_deliver_again, earlier)


def _deliver_again(earlier: Callable[[Any], object], unraisable: Any) -> None:
    if unraisable.exc_type is not None and is_interrupt(unraisable.exc_type):
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()  # a signal that was sent from here would be raised in here
    else:
        earlier(unraisable)
