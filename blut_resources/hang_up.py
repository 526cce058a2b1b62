"""A terminal or a connection that goes away ends a run as Ctrl-C does: with time for a checkpoint."""

import signal
import threading
from types import FrameType
from typing import NoReturn


def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """Handle a signal as Ctrl-C is handled by default."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def end_on_hang_up() -> None:
    """Let SIGHUP do from now on what SIGINT does at that moment, unless it is ignored, as under ``nohup``."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _as_interrupt)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    """Dagster's own handler while it executes: it decides where an interrupt may be raised."""
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else interrupt)(number, frame)
