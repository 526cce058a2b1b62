"""Writes a ``.npy`` file of windows whose number is known at its end only."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class WindowFile:
    """Takes float32 windows [windows, channels, samples], one after the other; a context manager.

    The file is complete at ``path`` when the block ends, or is not there at all: also where no window came.
    """

    def __init__(self, path: Path, n_channels: int, size: int) -> None:
        self._path, self._shape = path, (n_channels, size)
        self._partial = path.with_name(f".{path.name}.partial")
        self._count = 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._partial.open("wb")
        self._write_header()
        return self

    def append(self, windows: NDArray[np.float32]) -> None:
        """Write windows behind those that are there."""
        self._file.write(np.ascontiguousarray(windows, "<f4").data)
        self._count += len(windows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file as file:
            if kind is None and self._count:
                file.seek(0)
                self._write_header()  # of the same length: numpy leaves room for the number to grow
                file.flush()
                os.fsync(file.fileno())
        if kind is None and self._count:
            self._partial.replace(self._path)
        else:
            self._partial.unlink()

    def _write_header(self) -> None:
        shape = (self._count, *self._shape)
        npy.write_array_header_1_0(self._file, {"descr": "<f4", "fortran_order": False, "shape": shape})
