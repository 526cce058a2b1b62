"""Compiles the firmware's sources, and reads from what the compiler wrote how much of a device it takes."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cookbooks.lamquant.device.errors import DeviceError
from cookbooks.lamquant.device.toolchains import FLAGS, Toolchain

CORE = tuple(
    f"lq_{name}.c"
    for name in (
        *("encode", "samples", "transform", "steps", "rows", "context", "plane", "side", "range", "numbers"),
        *("file", "weights"),
    )
)
"""The encoder itself; the other sources are programs around it."""
ENTRIES = ("lq_start", "lq_put", "lq_end", "lq_weights_are_sound")
_SANITIZERS = ("-O1", "-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
_INTEGER_HELPER = re.compile(
    r"__aeabi_(u?l(div|mul|ls[lr]|asr)\w*|u?idiv\w*)|__(u?div|u?mod|ash[lr]|lshr|mul)di3"
)
_SECONDS, _BYTES_A_SECOND = 120.0, 20_000.0
"""How long a program may take: so long, and longer for what it is given. With sanitizers it reads a fiftieth
of a megabyte a second at the least, on a machine that does much else."""


@dataclass(frozen=True)
class Budget:
    """Holds what a compiled encoder takes.

    Attributes:
        flash_bytes: code and tables, as ``size`` says.
        ram_bytes: the encoder's state, as ``size`` says of the program that holds one.
        stack_bytes: the deepest chain of calls, by what the compiler says of each function.
        helpers: integer functions of the compiler's own library that it calls.
    """

    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    helpers: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns all fields by name."""
        return asdict(self) | {"helpers": list(self.helpers)}


def compiler_version(chain: Toolchain) -> str:
    """Returns the first line of what a compiler says about itself."""
    return _run([chain.compiler, "--version"], Path.cwd()).splitlines()[0]


def compile_program(
    chain: Toolchain, sources: Path, main: str, program: Path, *, sanitized: bool = False
) -> Path:
    """Compile ``main`` with the encoder and the port of a target; returns the program.

    Raises:
        DeviceError: the compiler refuses; the message is its own.
    """
    flags = [*FLAGS, *(_SANITIZERS if sanitized else ()), *chain.flags]
    tail = () if chain.is_host else ("-lgcc",)
    program.parent.mkdir(parents=True, exist_ok=True)
    _run(
        [chain.compiler, *flags, *chain.link, "-o", str(program.resolve()), main, chain.port, *CORE, *tail],
        sources,
    )
    return program


def measure_budget(chain: Toolchain, sources: Path, objects: Path) -> Budget:
    """Compile the encoder to objects, and read from them what it takes.

    Raises:
        DeviceError: the compiler refuses; or the code needs floating point, a heap or any library.
    """
    objects.mkdir(parents=True, exist_ok=True)
    told = ["-fstack-usage", "-fcallgraph-info=su", *chain.core_flags]
    for name in ("main.c", *CORE):
        made = str((objects / name).with_suffix(".o").resolve())
        _run([chain.compiler, *FLAGS, *told, *chain.flags, "-c", "-o", made, name], sources)
    core = [str((objects / name).with_suffix(".o").resolve()) for name in CORE]
    joined = str((objects / "core.o").resolve())
    _run([chain.compiler, *chain.flags, "-nostdlib", "-r", "-o", joined, *core], sources)
    text, data, bss = _sizes(chain, objects / "core.o")
    _, more_data, state = _sizes(chain, objects / "main.o")
    graphs = [path.read_text() for path in sorted(objects.glob("lq_*.ci"))]
    helpers = undefined(chain, objects / "core.o")
    return Budget(text + data, data + bss + more_data + state, deepest(graphs), helpers)


def undefined(chain: Toolchain, made: Path) -> tuple[str, ...]:
    """Returns which functions an object needs from elsewhere.

    Raises:
        DeviceError: one of them is not an integer helper of the compiler.
    """
    said = _run([f"{chain.prefix}nm", "-u", str(made.resolve())], Path.cwd())
    names = tuple(sorted(line.split()[-1] for line in said.splitlines() if line.strip()))
    foreign = [name for name in names if not _INTEGER_HELPER.fullmatch(name)]
    if foreign:
        raise DeviceError(
            f"the encoder calls {', '.join(foreign)}: it may use no library, heap or floating point"
        )
    return names


def _sizes(chain: Toolchain, made: Path) -> tuple[int, int, int]:
    """Returns text, data and bss of an object."""
    line = _run([f"{chain.prefix}size", str(made.resolve())], Path.cwd()).splitlines()[1]
    text, data, bss = (int(number) for number in line.split()[:3])
    return text, data, bss


def deepest(graphs: Sequence[str]) -> int:
    """Returns bytes of stack of the deepest chain of calls from an entry, by a compiler's call graphs (VCG).

    Raises:
        DeviceError: a function's stack is not fixed, or functions call each other in a circle.
    """
    own: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for graph in graphs:
        for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]+)"', graph):
            if found := re.search(r"(\d+) bytes \((\w+)\)", label):
                if found[2] != "static":
                    raise DeviceError(f"{title} uses a stack whose size is {found[2]}: it must be fixed")
                own[title] = int(found[1])
        for caller, called in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', graph):
            calls.setdefault(caller, set()).add(called)

    def depth(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise DeviceError(f"{name} calls itself: the stack has no bound")
        below = (depth(one, (*above, name)) for one in calls.get(name, ()))
        return own.get(name, 0) + max(below, default=0)

    return max(depth(entry, ()) for entry in ENTRIES)


def run_program(
    chain: Toolchain, program: Path, given: bytes = b"", *, allowed: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[bytes]:
    """Run a program, in its emulator where it has one.

    Raises:
        DeviceError: it cannot be run here, fails, or takes too long.
    """
    if not chain.runs_here():
        raise DeviceError(f"target {chain.target}: {chain.why_not()}")
    try:
        done = subprocess.run(
            [*chain.emulator, str(program.resolve())],
            input=given,
            capture_output=True,
            timeout=_SECONDS + len(given) / _BYTES_A_SECOND,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{program.name}: {error}") from error
    if done.returncode not in allowed:
        said = done.stderr.decode(errors="replace")[-2000:].strip()
        raise DeviceError(f"{program.name} ended with {done.returncode}: {said or 'it said nothing'}")
    return done


def _run(command: Sequence[str], where: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=where, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise DeviceError(f"{command[0]} ended with {done.returncode}: {done.stderr[-3000:].strip()}")
    return done.stdout
