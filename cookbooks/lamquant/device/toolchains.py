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
        port: the source that stands for the machine in programs.
        link: flags that make a program of objects.
        emulator: the command that runs a program, without it; empty on the machine itself.
        emulator_package: the Debian package of the emulator.
        core_flags: with which the encoder itself is measured: no floating point where a processor has it.
    """

    target: str
    prefix: str
    flags: tuple[str, ...]
    package: str
    port: str = "port_host.c"
    link: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()
    emulator_package: str = ""
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
_BARE = ("-nostdlib", "-static", "-Wl,--gc-sections")
_QEMU_M33 = (
    *("qemu-system-arm", "-M", "mps2-an505", "-display", "none", "-serial", "none", "-monitor", "none"),
    *("-semihosting-config", "enable=on,target=native", "-kernel"),
)
"""A board with a Cortex-M33; its console is this process's, by semihosting."""
_ARM, _ARM_PACKAGE = "arm-none-eabi-", "gcc-arm-none-eabi"
_BOARD = ("port_m33.c", (*_BARE, "-T", "m33.ld"), _QEMU_M33, "qemu-system-arm")
TOOLCHAINS = {
    one.target: one
    for one in (
        Toolchain("host", "", (), "gcc", core_flags=("-mgeneral-regs-only",)),
        Toolchain("cortex-m33", _ARM, _M33, _ARM_PACKAGE, *_BOARD),
        Toolchain("rp2350", _ARM, _M33, _ARM_PACKAGE, *_BOARD),
        Toolchain(
            "rv32", "riscv64-unknown-elf-", ("-march=rv32imac", "-mabi=ilp32"), "gcc-riscv64-unknown-elf",
            "port_rv32.c", (*_BARE, "-Wl,--no-relax", "-Wl,-e,_start"), ("qemu-riscv32",), "qemu-user",
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
