"""Tries every way it knows to get at what it was not given, and prints which of them worked, as JSON.

``thief.py JSON``: ``secret`` (a directory with ``original``), ``out`` (its own), ``library`` (a file that it
may read), ``pid`` (of its starter, which has ``original`` open as ``fd``), ``address`` (where the word lies
in its memory), ``unix``, ``abstract`` and ``port`` (sockets that answer), ``ways`` (which to try; else all).
"""

import ctypes
import json
import os
import platform
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
TOLD = json.loads(sys.argv[1])
MAP = ctypes.create_string_buffer(b"\1\0\0\0\4\0\0\0\4\0\0\0\1" + bytes(60))
ORIGINAL, OUT, PID = Path(TOLD["secret"], "original"), Path(TOLD["out"]), TOLD["pid"]


def call(number: int, *arguments: Any) -> int:
    result = LIBC.syscall(number, *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def libc(name: str, *arguments: Any) -> int:
    result = getattr(LIBC, name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def by_dots() -> bytes:
    os.chdir(OUT)
    return Path("../secret/original").read_bytes()


def from_inside() -> bytes:
    os.chdir(ORIGINAL.parent)
    return Path("original").read_bytes()


def by_hard_link() -> bytes:
    os.link(ORIGINAL, OUT / "hard")
    return (OUT / "hard").read_bytes()


def by_symbolic_link() -> bytes:
    (OUT / "soft").symlink_to(ORIGINAL)
    return (OUT / "soft").read_bytes()


def by_renaming() -> bytes:
    ORIGINAL.rename(OUT / "moved")
    return (OUT / "moved").read_bytes()


def by_handle() -> int:
    handle = ctypes.create_string_buffer(b"\x80\0\0\0" + bytes(132))
    mount = ctypes.c_int()
    libc("name_to_handle_at", -100, os.fsencode(ORIGINAL), handle, ctypes.byref(mount), 0)
    root = os.open("/", os.O_PATH)
    return libc("open_by_handle_at", root, handle, os.O_RDONLY)


def inherited() -> bytes:
    for number in range(3, 256):
        try:
            os.lseek(number, 0, os.SEEK_SET)
            if data := os.read(number, 100):
                return data
        except OSError:
            continue
    raise OSError("none of them holds anything")


def from_memory() -> bytes:
    word = ctypes.create_string_buffer(16)
    here = (ctypes.c_size_t * 2)(ctypes.addressof(word), 16)
    there = (ctypes.c_size_t * 2)(TOLD["address"], 16)
    libc("process_vm_readv", PID, here, 1, there, 1, 0)
    return word.raw


def from_memory_file() -> bytes:
    with Path(f"/proc/{PID}/mem").open("rb", buffering=0) as memory:
        memory.seek(TOLD["address"])
        return memory.read(16)


def from_the_disk() -> bytes:
    os.mknod(OUT / "disk", 0o60600, OUT.stat().st_dev)
    with (OUT / "disk").open("rb") as disk:
        return disk.read(16)


def connected(kind: int, address: Any) -> bytes:
    with socket.socket(kind, socket.SOCK_STREAM) as line:
        line.settimeout(5)
        line.connect(address)
        return line.recv(16)


def over_udp() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        return line.sendto(b"x", ("127.0.0.1", 9))


def attached() -> int:
    done = libc("ptrace", 16, PID, 0, 0)
    os.waitpid(PID, 0)
    libc("ptrace", 17, PID, 0, 0)
    return done


def mounted() -> bytes:
    (OUT / "here").mkdir(exist_ok=True)
    libc("mount", os.fsencode(ORIGINAL.parent), os.fsencode(OUT / "here"), None, 4096, None)
    return (OUT / "here" / "original").read_bytes()


def written(path: Path) -> int:
    with path.open("r+b") as file:
        return file.write(b"o")


WAYS: dict[str, Callable[[], Any]] = {
    "open": ORIGINAL.read_bytes,
    "list": lambda: os.listdir(ORIGINAL.parent),  # noqa: PTH208
    "list around it": lambda: os.listdir(ORIGINAL.parent.parent),  # noqa: PTH208
    "dots": by_dots,
    "from inside": from_inside,
    "hard link": by_hard_link,
    "symbolic link": by_symbolic_link,
    "root of its parent": Path(f"/proc/{PID}/root{ORIGINAL}").read_bytes,
    "descriptor of its parent": Path(f"/proc/{PID}/fd/{TOLD['fd']}").read_bytes,
    "environment of its parent": Path(f"/proc/{PID}/environ").read_bytes,
    "own root": Path(f"/proc/self/root{ORIGINAL}").read_bytes,
    "inherited descriptors": inherited,
    "handle": by_handle,
    "memory": from_memory,
    "memory file": from_memory_file,
    "ptrace": attached,
    "descriptor taken over": lambda: call(438, os.pidfd_open(PID), TOLD["fd"], 0),
    "unix socket": lambda: connected(socket.AF_UNIX, TOLD["unix"]),
    "abstract socket": lambda: connected(socket.AF_UNIX, "\0" + TOLD["abstract"]),
    "tcp": lambda: connected(socket.AF_INET, ("127.0.0.1", TOLD["port"])),
    "udp": over_udp,
    "signal": lambda: os.kill(PID, 0),
    "disk": from_the_disk,
    "physical memory": Path("/dev/mem").read_bytes,
    "kernel memory": Path("/proc/kcore").read_bytes,
    "mount": mounted,
    "namespace": lambda: libc("unshare", 0x10020000),
    "namespace of its parent": lambda: libc("setns", os.open(f"/proc/{PID}/ns/mnt", os.O_RDONLY), 0),
    "io_uring": lambda: call(425, 4, ctypes.create_string_buffer(120)),
    "shared memory": lambda: libc("shmget", 4711, 4096, 0o1600),
    "key ring": lambda: call(250 if X86 else 219, 0, -4, 1),
    "bpf": lambda: call(
        321 if X86 else 280, 0, ctypes.create_string_buffer(b"\1\0\0\0\4\0\0\0\4\0\0\0\1"), 72
    ),
    "mark in a time": lambda: os.utime(ORIGINAL, (1, 1)),
    "mark in a mode": lambda: ORIGINAL.chmod(0o640),
    "mark in an attribute": lambda: os.setxattr(OUT / "own", "user.x", b"1"),
    "write": lambda: written(ORIGINAL),
    "truncate": lambda: os.truncate(ORIGINAL, 8),
    "write into what it may read": lambda: written(Path(TOLD["library"])),
    "rename": by_renaming,
}


def main() -> None:
    """Try them, one after the other; what is allowed has to work."""
    (OUT / "own").write_bytes(b"its own")
    got = []
    for name in TOLD.get("ways") or WAYS:
        try:
            WAYS[name]()
        except Exception:  # whatever stops it
            continue
        got.append(name)
    print(json.dumps({"got": got, "pid": os.getpid(), "home": os.environ.get("HOME")}))


if __name__ == "__main__":
    main()
