"""Compile the C program of a firmware bundle for this machine: as it is, and with sanitizers.

A process of its own, for what it writes is then run by processes that cannot write programs.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from blut_resources.payload_kit.config import read_inputs
from blut_resources.payload_kit.refuse import explained
from blut_resources.payload_kit.session import payload_session
from cookbooks.lamquant.device.bundle import compile_bundle
from cookbooks.lamquant.device.errors import DeviceError
from cookbooks.lamquant.gate.device import ENCODE, SANITIZED


@dataclass(frozen=True)
class CompileInputs:
    """Names the input."""

    bundle: Path


def write_program(path: Path, data: bytes) -> None:
    """Write a file that can be run: it is so from the start, for a sandbox lets no mode be changed."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def main() -> None:
    """Run the payload."""
    with payload_session() as session, explained(DeviceError):
        bundle = read_inputs(session, CompileInputs).bundle
        session.work.mkdir(parents=True, exist_ok=True)
        for name in (ENCODE, SANITIZED):
            made = compile_bundle(bundle, session.work / name, sanitized=name == SANITIZED)
            write_program(session.out / name, made.read_bytes())
        session.done()


if __name__ == "__main__":
    main()
