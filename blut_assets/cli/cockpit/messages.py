"""Holds what other threads tell the board."""

from textual.message import Message

from blut_assets.cli.cockpit.reader import CockpitLook


class LookDone(Message):
    """Says that the reader has found something."""

    def __init__(self, found: CockpitLook) -> None:
        super().__init__()
        self.found = found


class CancelDone(Message):
    """Says what became of a run that was to be cancelled."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self.said = said


class StartDone(Message):
    """Says what became of a run that was to be started."""

    def __init__(self, run: str, said: str) -> None:
        super().__init__()
        self.run, self.said = run, said


class CommandDone(Message):
    """Says what a command said that was ordered by a key."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self.said = said
