"""Finds a llama.cpp of the user's own, which is taken only where ``$BLUT_LLAMACPP_DIR`` names it.

What it makes is told apart from what another one makes by the bytes of its converter and its binaries; the
name of a commit says nothing of how it was built, or what was edited in it.
"""

import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.files.digest import digest_bytes, digest_file
from blut_resources.files.named import PathRefused, path_variable
from blut_resources.payload_kit.pinned import BuildError
from cookbooks.llm.llama.commit import HEADER, PLACES, Commit, commit_of
from cookbooks.llm.llama.kit import CONVERTERS, Kit, ensure_kit, find_kit, kit_path

VARIABLE = "BLUT_LLAMACPP_DIR"
PROGRAM, LIBRARY, GGUF = "llama-quantize", "libllama.so", "gguf-py/gguf"
LIB = ("build/bin", "build/lib", "lib", "lib64", "bin", ".")
CONVERT = (".", "bin")
BUILD = f"cmake -B build && cmake --build build --target {PROGRAM} --parallel"
CLONE = "git clone https://github.com/ggml-org/llama.cpp"


class OwnLlamaError(BuildError):
    """Says what the named llama.cpp lacks, and how to get it."""


@dataclass(frozen=True)
class Own:
    """Says where the parts of a llama.cpp of the user's own are.

    ``lib`` is the directory of its library, ``header`` its ``llama.h``; either may be missing, and then the
    pinned kit reads what this one makes.
    """

    root: Path
    convert: Path
    quantiser: Path | None
    lib: Path | None
    header: Path | None

    @property
    def reads(self) -> bool:
        """Says whether its library can be called: it is there, and so is what says how."""
        return self.lib is not None and (self.header is not None or _same_as_pinned(self.lib))

    @property
    def modules(self) -> Path:
        """Returns the directory of what the converters import."""
        return Kit(self.convert, self.root).modules

    def converter_digest(self) -> str:
        """Returns the digest of the converters and of all that they import."""
        files = [self.convert / name for name in CONVERTERS]
        files += [path for name in ("conversion", GGUF) for path in (self.modules / name).rglob("*.py")]
        return _digest(self.root, files)

    def binary_digest(self) -> str:
        """Returns the digest of the program and of the libraries, some of which are only the program's."""
        files = [one for one in (self.quantiser, self.header) if one]
        files += [
            path for name in ("libllama*.so*", "libggml*.so*") for path in (self.lib or self.root).glob(name)
        ]
        return _digest(self.root, files)

    @functools.cached_property
    def commit(self) -> Commit:
        """Returns of which commit it is.

        Raises:
            OwnLlamaError: its library was built of another ``llama.h`` than the one that is there now.
        """
        found = commit_of(self.root, self.quantiser)
        if found.outdated and self.lib and self.header:
            changed = f"it was built of commit {found.programs}, and its {HEADER} has changed since"
            raise OwnLlamaError(
                f"${VARIABLE}={self.root}: {changed}: build it again: cd {self.root} && {BUILD}"
            )
        return found

    def kit(self) -> Kit:
        """Returns it as a kit; what its own library cannot do, that of the pinned one does.

        Raises:
            BuildError: it has to be built again, or the pinned one is needed and cannot be built.
        """
        version = f"llama.cpp of ${VARIABLE}, {self.commit.describe()}"
        made = {"convert": self.convert, "quantiser": self.quantiser, "version": version}
        if self.lib and self.header:
            return Kit(**made, lib=self.lib, header=self.header)
        pinned = ensure_kit()
        return Kit(**made, lib=self.lib if self.lib and self.reads else pinned.lib, site=pinned.site)


def named() -> Path | None:
    """Returns the directory that the variable names; None where it is not set, or empty.

    Raises:
        OwnLlamaError: it is relative.
    """
    try:
        return path_variable(VARIABLE)
    except PathRefused as error:
        raise OwnLlamaError(str(error)) from None


def find_own() -> Own | None:
    """Returns the llama.cpp that the variable names; None where it names none.

    Raises:
        OwnLlamaError: it is not complete; the message says all that is missing, and how to get it.
    """
    root = named()
    if root is None:
        return None
    if not root.is_dir():
        raise OwnLlamaError(f"${VARIABLE}={root}: there is no such directory: {CLONE}, or unset the variable")
    convert = _first(root, CONVERT, lambda place: (place / CONVERTERS[0]).is_file())
    quantiser = _first(root, PLACES, lambda place: (place / PROGRAM).is_file())
    lib = _first(root, (*LIB, *_multiarch(root)), lambda place: any(place.glob(f"{LIBRARY}*")))
    header = root / HEADER
    own = Own(
        root,
        convert or root,
        quantiser / PROGRAM if quantiser else None,
        lib,
        header if header.is_file() else None,
    )
    if missing := [*_lacks_converter(own, convert is not None), *_lacks_binaries(own)]:
        raise OwnLlamaError(f"${VARIABLE}={root}: {'; '.join(missing)}")
    return own


def _lacks_converter(own: Own, found: bool) -> Iterable[str]:
    script = own.convert / CONVERTERS[0]
    if not found:
        yield f"no {script.name} is in it or in its bin, as in a checkout of llama.cpp: {CLONE}"
        return
    text = script.read_text(errors="replace")
    needed = [GGUF, *(["conversion"] if re.search(r"^from conversion\b", text, re.MULTILINE) else [])]
    for name in needed:
        if not (own.modules / name).is_dir():
            yield f"{script} imports {name}, which is not beside it: take a whole checkout: {CLONE}"


def _lacks_binaries(own: Own) -> Iterable[str]:
    program = own.quantiser
    if program is None and not own.reads:
        half = f" ({own.lib / LIBRARY} alone: no {HEADER} says how to call it)" if own.lib else ""
        yield f"no {PROGRAM} is in {', '.join(PLACES)}{half}: build it: cd {own.root} && {BUILD}"
    elif program is not None and not os.access(program, os.X_OK):
        yield f"{program} is not executable: chmod +x {program}, or build it again: cd {own.root} && {BUILD}"


def chosen_kit(on_progress: Callable[[int], None] | None = None) -> Kit:
    """Returns the llama.cpp that the variable names, else the pinned kit, built if need be.

    Raises:
        BuildError: the one is not complete, or the other cannot be built.
    """
    own = find_own()
    return own.kit() if own else ensure_kit(on_progress)


def described() -> str | None:
    """Returns which llama.cpp is used here and why; None where the pinned kit is, and has not been built.

    Raises:
        OwnLlamaError: the one that the variable names is not complete.
    """
    own = find_own()
    if own is None:
        return f"{kit_path()}, the pinned kit: ${VARIABLE} is not set" if find_kit() else None
    parts = [CONVERTERS[0], *([PROGRAM] if own.quantiser else []), *([LIBRARY] if own.reads else [])]
    parts.append(own.commit.describe())
    if not own.reads:
        parts.append(f"read by the pinned kit, for want of {LIBRARY} with its llama.h")
    return f"{own.root}, because ${VARIABLE} names it: {', '.join(parts)}"


def made_with(*_: Any) -> Mapping[str, str]:
    """Returns the digests of what a GGUF is made with; none for the pinned kit, which is a part of the code.

    Raises:
        OwnLlamaError: it is not complete.
    """
    own = find_own()
    if own is None:
        return {}
    return {"llamacpp_converter": own.converter_digest(), "llamacpp_binaries": own.binary_digest()}


def read_with(*_: Any) -> Mapping[str, str]:
    """Returns the digest of what a GGUF is read with; none where that is the pinned kit.

    Raises:
        OwnLlamaError: it is not complete.
    """
    own = find_own()
    return {"llamacpp_binaries": own.binary_digest()} if own and own.reads else {}


def _first(root: Path, places: Iterable[str], has: Callable[[Path], bool]) -> Path | None:
    return next((root / place for place in places if has(root / place)), None)


def _multiarch(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in sorted(root.glob("lib/*-linux-gnu"))]


def _same_as_pinned(lib: Path) -> bool:
    pinned = find_kit()
    files = [one / LIBRARY for one in (lib, pinned.lib)] if pinned else []
    return (
        bool(files)
        and all(map(Path.is_file, files))
        and len({digest_file(one.resolve()).digest for one in files}) == 1
    )


def _digest(root: Path, files: Iterable[Path]) -> str:
    """Returns one digest of files by their names below ``root``; one with two names counts once."""
    real: dict[Path, str] = {}
    for path in sorted(files):
        if path.is_file():
            real.setdefault(path.resolve(), str(path.relative_to(root)))
    lines = sorted(f"{name}\0{_digest_of(path, path.stat().st_mtime_ns)}\n" for path, name in real.items())
    return digest_bytes("".join(lines).encode())


@functools.lru_cache(maxsize=1000)
def _digest_of(path: Path, _changed: int) -> str:
    return digest_file(path, threads=os.cpu_count() or 1).digest
