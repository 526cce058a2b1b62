"""An interrupt that Python would print and forget is delivered again."""

import subprocess
import sys

from tests.conftest import REPOSITORY

SCRIPT = """
import signal, time, weakref
from blut_resources.runs.hang_up import keep_interrupts

signal.signal(signal.SIGINT, signal.default_int_handler)
if {kept}:
    keep_interrupts()
    keep_interrupts()

class Thing: ...

def gone(_):
    if not said:
        said.append(1)
        signal.raise_signal(signal.SIGINT)

said, thing = [], Thing()
watched = weakref.ref(thing, gone)
try:
    del thing
    time.sleep(2)
    print("lost")
except KeyboardInterrupt:
    print("interrupted")
"""


def _said(kept: bool) -> str:
    command = [sys.executable, "-c", SCRIPT.format(kept=kept)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout


def test_an_interrupt_in_the_callback_of_a_weak_reference_is_not_lost() -> None:
    assert (_said(kept=False), _said(kept=True)) == ("lost\n", "interrupted\n")
