"""Names the compilers of each target, and what runs their programs here."""

import shutil
from dataclasses import dataclass

from cookbooks.lamquant.device.errors import DeviceError

_STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-ffreestanding", "-fno-builtin")
_NO_LIBRARY = ("-fno-tree-loop-distribute-patterns", "-ffunction-sections", "-fdata-sections")
FLAGS = _STRICT + _NO_LIBRARY
"""What every build is compiled with; loops are not to become calls of memset."""


@dataclass(frozen=True)
class Toolchain:
    """Holds how one target is compiled, and run where there is an emulator.

    Attributes:
        target: its name.
        prefix: of the compiler and its tools.
        flags: that choose the processor.
        package: the Debian package of the compiler.
        emulator: the command that runs a program, without it; empty on the machine itself.
        emulator_package: the Debian package of the emulator.
        clock_hz: of a usual part, for shares of its time.
        core_flags: with which the encoder itself is measured: no floating point where a processor has it.
    """

    target: str
    prefix: str
    flags: tuple[str, ...]
    package: str
    emulator: tuple[str, ...] = ()
    emulator_package: str = ""
    clock_hz: int = 0
    core_flags: tuple[str, ...] = ()

    @property
    def compiler(self) -> str:
        """Returns the compiler's command."""
        return f"{self.prefix}gcc"

    @property
    def is_host(self) -> bool:
        """Says whether its programs run on this machine as they are."""
        return not self.emulator

    def compiles_here(self) -> bool:
        """Says whether the compiler is installed."""
        return shutil.which(self.compiler) is not None

    def runs_here(self) -> bool:
        """Says whether its programs can be run on this machine."""
        return self.is_host or shutil.which(self.emulator[0]) is not None

    def why_not(self) -> str:
        """Returns what is missing to compile and run, and how to get it; nothing if all is there."""
        if not self.compiles_here():
            return f"{self.compiler} is not installed: apt install {self.package}"
        if not self.runs_here():
            return f"{self.emulator[0]} is not installed: apt install {self.emulator_package}"
        return ""


_M33 = ("-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=soft")
_QEMU_ARM = ("qemu-arm",)
"""Without a processor by name: with one of M profile, user mode of version 7.2 stops with an error."""
_ARM = "gcc-arm-none-eabi"
TOOLCHAINS = {
    one.target: one
    for one in (
        Toolchain("host", "", (), "gcc", core_flags=("-mgeneral-regs-only",)),
        Toolchain("cortex-m33", "arm-none-eabi-", _M33, _ARM, _QEMU_ARM, "qemu-user", 100_000_000),
        Toolchain("rp2350", "arm-none-eabi-", _M33, _ARM, _QEMU_ARM, "qemu-user", 150_000_000),
        Toolchain(
            "rv32", "riscv64-unknown-elf-", ("-march=rv32imac", "-mabi=ilp32"), "gcc-riscv64-unknown-elf",
            ("qemu-riscv32",), "qemu-user", 100_000_000,
        ),
    )
}  # fmt: skip


def toolchain_of(target: str) -> Toolchain:
    """Returns the toolchain of a target.

    Raises:
        DeviceError: no such target, or its compiler is not installed.
    """
    if target not in TOOLCHAINS:
        raise DeviceError(f"target={target!r}: must be one of {', '.join(TOOLCHAINS)}")
    chosen = TOOLCHAINS[target]
    if not chosen.compiles_here():
        raise DeviceError(f"target {target}: {chosen.why_not()}")
    return chosen
