"""An isolated process tries to get at what it was not given, on every backend and either way to hold it."""

import ctypes
import json
import os
import socket
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment import ContainmentError
from blut_resources.containment.sandbox.isolation import Isolation
from tests.blut_resources.containment.units import output, start

THIEF = Path(__file__).with_name("thief.py")
WORD = b"an original word"
HARMLESS = {"namespaces": {"signal", "list around it"}}
"""What only Landlock refuses: to ask whether a process is there, to list what lies around what is given."""
PLAIN = ("open", "dots", "hard link", "descriptor of its parent", "unix socket", "tcp", "udp", "signal")
"""Ways that leave nothing behind on the machine."""


class Scene:
    """A secret that this process has open, in its memory and on its sockets."""

    def __init__(self, root: Path, held: ExitStack) -> None:
        self.root, self.library = root, root / "library"
        self.secret, self.out = root / "secret", root / "out"
        self.secret.mkdir()
        self.out.mkdir()
        (self.secret / "original").write_bytes(WORD)
        self.library.write_bytes(WORD)
        file = held.enter_context((self.secret / "original").open("rb"))
        os.set_inheritable(file.fileno(), True)
        self.word = ctypes.create_string_buffer(WORD)
        unix, abstract = os.path.relpath(root / "line"), f"blut-{os.getpid()}"
        lines = [
            (socket.AF_UNIX, unix),
            (socket.AF_UNIX, "\0" + abstract),
            (socket.AF_INET, ("127.0.0.1", 0)),
        ]
        open_lines = [held.enter_context(_answering(kind, address)) for kind, address in lines]
        self.told: dict[str, Any] = {
            **{"secret": str(self.secret), "out": str(self.out), "pid": os.getpid(), "fd": file.fileno()},
            **{"address": ctypes.addressof(self.word), "unix": str(root / "line"), "abstract": abstract},
            **{"port": open_lines[-1].getsockname()[1], "library": str(root / "library")},
        }

    def steal(
        self, place: Path, backend: str, isolation: dict[str, Any] | None, ways: Collection[str] = ()
    ) -> dict[str, Any]:
        command = [sys.executable, "-I", "-S", str(THIEF), json.dumps({**self.told, "ways": ways})]
        limits = {"mode": "best-effort", "isolation": isolation, "cwd": self.out}
        with start(place, command, backend, **limits) as unit:
            outcome = unit.wait(60)
            assert outcome.ok, output(unit)
            return {**json.loads(output(unit)), "held": unit.enforcement.isolation}


@contextmanager
def _answering(kind: int, address: Any) -> Iterator[socket.socket]:
    with socket.socket(kind) as line:
        line.bind(address)
        line.listen()
        thread = threading.Thread(target=_answer, args=[line])
        thread.start()
        yield line
        line.shutdown(socket.SHUT_RDWR)
        thread.join()


def _answer(line: socket.socket) -> None:
    while True:
        try:
            with line.accept()[0] as one:
                one.send(WORD)
        except OSError:
            return


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as held:
        yield Scene(tmp_path, held)


@pytest.mark.parametrize("way", ["landlock", "namespaces"])
def test_an_isolated_process_gets_at_nothing_it_was_not_given(scene, place, backend, way):
    isolation = Isolation(read=(THIEF, scene.library), write=(scene.out,), hidden=(scene.secret,)).as_spec()
    found = scene.steal(place, backend, {**isolation, "ways": [way]})
    assert found["held"] == way
    assert set(found["got"]) <= HARMLESS.get(way, set())
    assert (scene.secret / "original").read_bytes() == WORD
    assert scene.library.read_bytes() == WORD
    assert (scene.out / "own").read_bytes() == b"its own"


def test_the_same_process_gets_at_nearly_everything_where_it_is_not_isolated(scene, place):
    found = scene.steal(place, "none", None, PLAIN)
    assert found["held"] == ""
    assert set(PLAIN) == set(found["got"])


def test_where_nothing_holds_it_that_is_said(scene, place):
    isolation = Isolation(read=(THIEF,), write=(scene.out,)).as_spec()
    assert scene.steal(place, "none", {**isolation, "ways": ["none"]}, PLAIN)["held"] == "none"


def test_what_is_to_be_hidden_and_lies_in_what_has_to_be_read_is_refused(scene, place):
    isolation = Isolation(read=(scene.root,), hidden=(scene.secret,)).as_spec()
    with pytest.raises(ContainmentError, match=r"secret: lies within what the isolated process has to read"):
        scene.steal(place, "none", isolation)
