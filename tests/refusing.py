"""A file system over quota, or over a failing disk, for what a process writes below one directory."""

import shutil
import subprocess
from pathlib import Path

from tests.lacking import lacking

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refused(int file) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t size = readlink(name, path, sizeof path - 1);
    const char *place = getenv("REFUSING_PLACE");
    if (size < 0 || place == NULL) return 0;
    path[size] = 0;
    if (strncmp(path, place, strlen(place)) != 0) return 0;
    errno = atoi(getenv("REFUSING_CODE"));
    return 1;
}

#define REFUSING(name, result, given, passed)                       \
    result name given {                                             \
        static result (*real) given;                                \
        if (real == NULL) real = dlsym(RTLD_NEXT, #name);           \
        return refused(file) ? -1 : real passed;                    \
    }
REFUSING(write, ssize_t, (int file, const void *data, size_t size), (file, data, size))
REFUSING(pwrite, ssize_t, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
REFUSING(pwrite64, ssize_t, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
"""


def refusing(directory: Path, place: Path, code: int) -> dict[str, str]:
    """Variables with which a process can write nothing below a place, for that error."""
    compiler = shutil.which("cc") or lacking("a C compiler")
    directory.mkdir()
    (directory / "refusing.c").write_text(SOURCE)
    library = directory / "refusing.so"
    command = [compiler, "-shared", "-fPIC", "-o", library, directory / "refusing.c", "-ldl"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return {"LD_PRELOAD": str(library), "REFUSING_PLACE": f"{place}/", "REFUSING_CODE": str(code)}
