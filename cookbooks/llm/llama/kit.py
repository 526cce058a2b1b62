"""Builds the llama.cpp kit: library, converters and Python bindings, all of one source distribution.

Built once for all checkouts of a user, in a few minutes of CPU, into ``$BLUT_LLAMA_KIT`` or the user's cache;
about 12 MB. It needs cmake and a C++17 compiler, and nothing from any other place than the package index.
Nothing here loads the library: a failed assertion of it ends the process, so only payloads do.
"""

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from blut_resources.files.named import PathRefused, path_variable
from blut_resources.payload_kit.cache import cache_root, ensure_built, ensure_package, is_built
from blut_resources.payload_kit.pinned import BuildError, Package

VERSION = "0.3.36"
SDIST = Package(
    requirement=f"llama-cpp-python=={VERSION}",
    file=f"llama_cpp_python-{VERSION}.tar.gz",
    sha256="832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
    backend="scikit_build_core.build",
)
BUILD = 1
"""Raise when a kit is made in another way, so that an older one is replaced."""

SOURCES = "vendor/llama.cpp"
UNPACKED = (
    *("CMakeLists.txt", "LICENSE", "cmake", "ggml", "include", "licenses", "src", "vendor"),
    *("conversion", "gguf-py"),
)
CONVERTERS = ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py")
OFF = (
    *("LLAMA_BUILD_COMMON", "LLAMA_BUILD_TOOLS", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES"),
    *("LLAMA_BUILD_SERVER", "LLAMA_BUILD_APP", "LLAMA_OPENSSL", "GGML_OPENMP", "GGML_CCACHE"),
)
# What llama.cpp builds for when it is not told to look at the machine. OpenMP is off because a second copy of
# its runtime beside torch's spins against it.
ASSUMED = {"avx2", "fma", "f16c", "bmi2"}
PERCENT = re.compile(rb"^\[\s*(\d+)%\]|^\[(\d+)/(\d+)\]")
REMEDY = (
    "install them (Debian: apt-get install cmake g++ make), or point BLUT_LLAMA_KIT at a built kit or"
    " BLUT_LLAMACPP_DIR at a llama.cpp of your own"
)


class KitError(BuildError):
    """Says that there is no kit and none can be built; the message says what is missing."""


@dataclass(frozen=True)
class Kit:
    """Says where the parts of a llama.cpp are.

    Attributes:
        convert: the directory of the converters, with what they import beside them.
        lib: the directory of ``libllama.so``.
        site: what to put on ``sys.path`` for ``llama_cpp``, the ctypes bindings that fit the library.
        header: the ``llama.h`` of the library, where there are no such bindings.
        quantiser: the program ``llama-quantize``; without one the library quantises.
        version: what the library and the converters were made of, in words.
    """

    convert: Path
    lib: Path
    site: Path | None = None
    header: Path | None = None
    quantiser: Path | None = None
    version: str = f"llama-cpp-python {VERSION}"

    @property
    def modules(self) -> Path:
        """Returns the directory of what the converters import: their own, or the one above it."""
        return self.convert if (self.convert / "gguf-py").is_dir() else self.convert.parent

    def converter(self, name: str = CONVERTERS[0]) -> Path:
        """Returns a converter script, to be run in a process of its own."""
        return self.convert / name

    def library(self, name: str) -> Path:
        """Returns the file of a library, such as ``llama``; where only a numbered one is there, that one."""
        found = self.lib / f"lib{name}.so"
        return found if found.exists() else next(iter(sorted(self.lib.glob(f"lib{name}.so.*"))), found)

    def environment(self) -> dict[str, str]:
        """Returns what a process needs in its environment to use the kit."""
        return {"LLAMA_CPP_LIB_PATH": str(self.lib)}


def kit_path() -> Path:
    """Returns where the kit is or will be.

    Raises:
        BuildError: $BLUT_LLAMA_KIT is relative.
    """
    try:
        return path_variable("BLUT_LLAMA_KIT") or cache_root() / f"llama-cpp-{VERSION}"
    except PathRefused as error:
        raise KitError(str(error)) from None


def _wanted() -> dict[str, Any]:
    return {"build": BUILD, "sdist": SDIST.sha256, "machine": platform.machine()}


def find_kit() -> Kit | None:
    """Returns the kit, if it has been built."""
    return _kit(kit_path()) if is_built(kit_path(), _wanted()) else None


def _kit(root: Path) -> Kit:
    return Kit(root / "convert", root / "lib", root / "site")


def missing_tools() -> list[str]:
    """Returns what a build needs and this machine has not."""
    return [what for what, path in (("cmake", _cmake()), ("a C++ compiler", _compiler())) if path is None]


def ensure_kit(on_progress: Callable[[int], None] | None = None) -> Kit:
    """Returns the kit, built if need be; concurrent callers wait for the one that builds.

    Args:
        on_progress: called with the percentage of the compilation that is done.

    Raises:
        KitError: it is not there and cannot be built.
        BuildError: the source distribution is not to be had.
    """
    build = functools.partial(_build, on_progress=on_progress or (lambda percent: None))
    return _kit(ensure_built(kit_path(), _wanted(), build))


def _build(dest: Path, on_progress: Callable[[int], None]) -> None:
    if missing := missing_tools():
        raise KitError(f"the llama.cpp kit must be built, and {' and '.join(missing)} is missing: {REMEDY}")
    sdist = ensure_package(SDIST)
    with tempfile.TemporaryDirectory(dir=dest.parent, prefix=f"{dest.name}-src-") as scratch:
        _unpack(sdist, Path(scratch))
        sources, objects = Path(scratch, SOURCES), Path(scratch, "objects")
        _run([*_configure(sources, objects)], "cmake", lambda percent: None)
        jobs = str(max(1, min(os.cpu_count() or 1, 4)))  # each may take half a gigabyte
        command = [str(_cmake()), "--build", str(objects), "--target", "llama", "--parallel", jobs]
        _run(command, "the compilation", on_progress)
        _collect(Path(scratch), dest)
    _try_library(dest / "lib" / "libllama.so")


def _configure(sources: Path, objects: Path) -> list[str]:
    native = "OFF" if _has_assumed_instructions() else "ON"
    options = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_CXX_COMPILER": str(_compiler()),
        "CMAKE_INSTALL_RPATH": "$ORIGIN",
        "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
        "BUILD_SHARED_LIBS": "ON",
        "GGML_NATIVE": native,
        **dict.fromkeys(OFF, "OFF"),
    }
    generator = ["-G", "Ninja"] if _tool("ninja") and not _tool("make") else []
    return [
        *(str(_cmake()), "-S", str(sources), "-B", str(objects), *generator),
        *(f"-D{name}={value}" for name, value in options.items()),
    ]


def _has_assumed_instructions() -> bool:
    """Says whether this processor has what a portable x86-64 build would die without."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    try:
        flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return True
    return flags is None or set(flags[1].split()) >= ASSUMED


def _unpack(sdist: Path, folder: Path) -> None:
    """Unpack only what is built or copied: the whole tree has five times as many bytes."""
    with tarfile.open(sdist) as archive:
        for member in archive:
            name = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            if _is_needed(name):
                member.name = str(name)
                archive.extract(member, folder, filter="data")


def _is_needed(name: PurePosixPath) -> bool:
    if name.is_relative_to(SOURCES):
        inner = name.relative_to(SOURCES)
        return bool(inner.parts) and (inner.parts[0] in UNPACKED or str(inner) in CONVERTERS)
    return name.parts[:1] == ("llama_cpp",) or str(name) == "LICENSE.md"


def _collect(scratch: Path, dest: Path) -> None:
    sources = scratch / SOURCES
    for folder in ("lib", "convert", "site"):
        (dest / folder).mkdir()
    for path in (scratch / "objects" / "bin").glob("lib*.so*"):
        # symbolic links stay links
        shutil.copy2(path, dest / "lib" / path.name, follow_symlinks=False)
    for name in (*CONVERTERS, "LICENSE"):
        shutil.copy2(sources / name, dest / "convert" / name)
    for name in ("conversion", "gguf-py"):
        shutil.copytree(sources / name, dest / "convert" / name)
    shutil.copytree(scratch / "llama_cpp", dest / "site" / "llama_cpp")
    shutil.copy2(scratch / "LICENSE.md", dest / "site" / "LICENSE.md")


def _run(command: list[str], what: str, on_progress: Callable[[int], None]) -> None:
    last: deque[str] = deque(maxlen=30)
    # minutes on every core: whatever else runs here goes first
    command = ["nice", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.decode(errors="replace").rstrip())
            if found := PERCENT.match(line):
                percent, done, total = found.groups()
                on_progress(int(percent) if percent else 100 * int(done) // int(total))
    if process.returncode != 0:
        words = "\n".join(last)
        raise KitError(f"building the llama.cpp kit: {what} ended with {process.returncode}:\n{words}")


def _try_library(library: Path) -> None:
    command = [sys.executable, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", str(library)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise KitError(f"the llama.cpp library was built and cannot be loaded: {reason}")


def _cmake() -> Path | None:
    return _tool("cmake")


def _compiler() -> Path | None:
    named = os.environ.get("CXX")
    return _tool(named) if named else _tool("c++") or _tool("g++") or _tool("clang++")


def _tool(name: str) -> Path | None:
    """Returns a program on the path, or beside this Python: ``pip install cmake`` puts one there."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    return Path(found) if found else None
